//! Slow and fast CPUs, and saving power: which idle CPU suits a thread.
//!
//! On a machine of equal CPUs that is the nearest, and nothing here costs anything. Otherwise a
//! thread that wants more than a CPU has ([`Demand`]) goes to a faster one: when it wakes, or,
//! running on a slow CPU, at the end of its quantum when a fast one is idle. Saving power, the
//! slowest cluster that suits is filled before the next is used: by threads that wake, and by those
//! that run in a later one, at the end of their quantum.

use core::sync::atomic::Ordering::Relaxed;

use percpu::CpuId;

use crate::control_word::{NEED, WORK};
use crate::demand::Demand;
use crate::held::Held;
use crate::map::Span;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::scheduler::Scheduler;
use crate::search::Sought;
use crate::thread::Thread;
use crate::topology::FULL_CAPACITY;

impl<P: Platform> Scheduler<P> {
    /// Whether clusters are filled one by one instead of spreading.
    pub fn saves_power(&self) -> bool {
        self.power_saving.load(Relaxed)
    }

    /// Whether the nearest idle CPU is the best.
    pub(crate) fn is_plain(&self) -> bool {
        !self.map.is_asymmetric() && !self.saves_power()
    }

    /// In which order clusters are asked for an idle CPU to take surplus of `from`.
    pub(crate) fn spreading_order(&self, from: CpuId) -> &[Span] {
        match self.saves_power() {
            true => self.map.low_first(),
            false => self.map.nearest(from),
        }
    }

    /// Claims the idle CPU that suits the thread best: where it fits, then anywhere.
    pub(crate) fn claim_suitable(&self, thread: &Held, last: CpuId) -> Option<CpuId> {
        let demand = thread.body(|body| body.demand);
        let slowest = self.map.low_first()[0].capacity;
        let order = match self.saves_power() {
            true => self.map.low_first(),
            false if demand.fits(slowest) => self.map.nearest(last),
            false => self.map.fast_first(),
        };
        let affinity = thread.is_restricted().then(|| thread.affinity());
        [true, false].into_iter().find_map(|suits| {
            let spans = order.iter();
            let spans = spans.filter(|span| demand.fits(span.capacity) == suits);
            let mut found = self.found(Sought::Cpu, &self.idle, spans, None);
            found.find_map(|(span, idle)| self.claim_of(span, idle, affinity.as_ref(), last))
        })
    }

    /// The clusters that suit who runs on `cpu` and wants `demand` better, the best first.
    fn better_than(&self, cpu: CpuId, demand: Demand) -> impl Iterator<Item = &Span> {
        let does = demand.fits(self.map.capacity_of(cpu));
        let better = match does {
            false => self.map.faster(cpu),
            true if self.saves_power() => self.map.filled_before(cpu),
            true => &[],
        };
        let better = better.iter();
        better.filter(move |span| !does || demand.fits(span.capacity))
    }

    /// Those of them in which somebody is idle, and who.
    fn idle_and_better(&self, cpu: CpuId, demand: Demand) -> impl Iterator<Item = (&Span, u64)> {
        let better = self.better_than(cpu, demand);
        self.found(Sought::Cpu, &self.idle, better, None)
    }

    /// From now on, for those too that run.
    pub(crate) fn save_power(&self, saving: bool) {
        self.power_saving.store(saving, Relaxed);
        self.act(|owner| {
            let here = owner.id;
            owner.dirty = true; // whoever runs here may need a tick now
            for cpu in self.online_from(here).filter(|&cpu| cpu != here) {
                owner.ring(cpu, WORK | NEED);
            }
        });
    }
}

impl<P: Platform> Owner<'_, P> {
    /// Whether the running thread may come to be better off elsewhere: then the tick stays.
    pub fn may_move_on(&self) -> bool {
        let Scheduler { map, .. } = self.sched;
        map.is_asymmetric() && map.capacity_of(self.id) < FULL_CAPACITY
            || self.sched.saves_power() && !map.filled_before(self.id).is_empty()
    }

    /// At the end of a quantum: marks the running thread to be moved if a better CPU is idle.
    pub fn look_around(&mut self) {
        if !self.may_move_on() {
            return;
        }
        let demand = self.current_body(|body| body.demand);
        if self.has_better(self.current(), demand) {
            self.local.misplaced = true;
            self.set_need(true);
        }
    }

    fn has_better(&self, thread: &Thread, demand: Demand) -> bool {
        let sched = self.sched;
        let mut found = sched.idle_and_better(self.id, demand);
        found.any(|(span, idle)| {
            let idle = idle & sched.online.word(span.group);
            let mut members = sched.map.members(span.group, idle, self.id);
            members.any(|cpu| thread.may_run_on(cpu))
        })
    }

    /// Sends a thread to a better CPU that is idle, if there still is one that it may use.
    #[inline(never)]
    pub fn move_on(&mut self, thread: Held) {
        let sched = self.sched;
        let (demand, urgent) = thread.body(|body| (body.demand, body.priority > 0));
        let affinity = thread.is_restricted().then(|| thread.affinity());
        let mut found = sched.idle_and_better(self.id, demand);
        let claimed =
            found.find_map(|(span, idle)| sched.claim_of(span, idle, affinity.as_ref(), self.id));
        match claimed {
            Some(target) => self.hand_over(thread, target, if urgent { NEED } else { 0 }),
            None => {
                let changed = thread.state.load().control();
                self.requeue(thread, changed);
                if urgent {
                    self.set_need(true); // Whom it made way for is not.
                }
            }
        }
    }
}
