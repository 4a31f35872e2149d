//! Slow and fast CPUs, and saving power: which idle CPU suits a thread.
//!
//! On a machine of equal CPUs that is the nearest, and nothing here costs anything. Otherwise a
//! thread that wants more than a CPU has ([`Demand`](crate::demand::Demand)) goes to a faster one:
//! when it wakes, or, running on a slow CPU, at the end of its quantum when a fast one is idle.
//! Saving power, the slowest cluster that suits is filled before the next is used.

use core::sync::atomic::Ordering::Relaxed;

use percpu::CpuId;

use crate::held::Held;
use crate::map::Span;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::scheduler::Scheduler;
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
            self.probed(1);
            let mut found = self.found(&self.idle, spans);
            found.find_map(|(span, idle)| self.claim_of(span, idle, affinity.as_ref(), last))
        })
    }

    /// The clusters of faster CPUs than `cpu`, the fastest first.
    fn faster(&self, cpu: CpuId) -> impl Iterator<Item = &Span> {
        let own = self.map.capacity_of(cpu);
        let spans = self.map.fast_first().iter();
        spans.take_while(move |span| span.capacity > own)
    }
}

impl<P: Platform> Owner<'_, P> {
    /// Whether the running thread may come to want more than this CPU has: then the tick stays.
    pub fn may_outgrow(&self) -> bool {
        self.sched.map.is_asymmetric() && self.sched.map.capacity_of(self.id) < FULL_CAPACITY
    }

    /// At the end of a quantum: marks the running thread to be moved if it has outgrown this CPU.
    pub fn look_up(&mut self) {
        if !self.may_outgrow() || !self.faster_is_idle() {
            return;
        }
        let capacity = self.sched.map.capacity_of(self.id);
        if self.current_body(|body| !body.demand.fits(capacity)) {
            self.local.outgrown = true;
            self.set_need(true);
        }
    }

    fn faster_is_idle(&self) -> bool {
        let sched = self.sched;
        let mut found = sched.found(&sched.idle, sched.faster(self.id));
        found.any(|(span, idle)| idle & sched.online.word(span.group) != 0)
    }

    /// Sends a thread that has outgrown this CPU to a faster one that is idle, if there still is
    /// one that it may use.
    #[inline(never)]
    pub fn move_up(&mut self, thread: Held) {
        let sched = self.sched;
        let affinity = thread.is_restricted().then(|| thread.affinity());
        let mut found = sched.found(&sched.idle, sched.faster(self.id));
        let claimed =
            found.find_map(|(span, idle)| sched.claim_of(span, idle, affinity.as_ref(), self.id));
        match claimed {
            Some(target) => self.hand_over(thread, target, 0),
            None => {
                let changed = thread.state.load().control();
                self.requeue(thread, changed)
            }
        }
    }
}
