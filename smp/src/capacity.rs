//! Slow and fast CPUs, and saving power: which idle CPU suits a thread.
//!
//! On a machine of equal CPUs that is the nearest, and nothing here costs anything. Otherwise a
//! thread that wants more than a CPU has ([`Demand`](crate::demand::Demand)) goes to a faster one:
//! when it wakes, or, running on a slow CPU, at the end of its quantum when a fast one is idle.
//! Saving power, the slowest cluster that suits is filled before the next is used.

use core::sync::atomic::Ordering::Relaxed;

use percpu::CpuId;

use crate::held::Held;
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
    pub(crate) fn spreading_order(&self, from: CpuId) -> &[usize] {
        match self.saves_power() {
            true => self.map.low_first(),
            false => self.map.nearest(from),
        }
    }

    /// Claims the idle CPU that suits the thread best: where it fits, then anywhere.
    pub(crate) fn claim_suitable(&self, thread: &Held, last: CpuId) -> Option<CpuId> {
        let demand = thread.body(|body| body.demand);
        let slowest = self.map.capacity(self.map.low_first()[0]);
        let order = match self.saves_power() {
            true => self.map.low_first(),
            false if demand.fits(slowest) => self.map.nearest(last),
            false => self.map.fast_first(),
        };
        let affinity = thread.is_restricted().then(|| thread.affinity());
        for suits in [true, false] {
            for &cluster in order {
                if demand.fits(self.map.capacity(cluster)) != suits {
                    continue;
                }
                self.probed(1);
                let claimed = self.claim_in(cluster, affinity.as_ref(), last);
                if claimed.is_some() {
                    return claimed;
                }
            }
        }
        None
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
        let (sched, own) = (self.sched, self.sched.map.capacity_of(self.id));
        let faster = sched.map.fast_first().iter();
        let mut faster = faster.take_while(|cluster| sched.map.capacity(**cluster) > own);
        faster.any(|&cluster| sched.idle.word(cluster) & sched.online.word(cluster) != 0)
    }

    /// Sends a thread that has outgrown this CPU to a faster one that is idle, if there still is
    /// one that it may use.
    #[inline(never)]
    pub fn move_up(&mut self, thread: Held) {
        let (sched, own) = (self.sched, self.sched.map.capacity_of(self.id));
        let affinity = thread.is_restricted().then(|| thread.affinity());
        let faster = sched.map.fast_first().iter();
        let mut faster = faster.take_while(|cluster| sched.map.capacity(**cluster) > own);
        let claimed = faster.find_map(|&c| sched.claim_in(c, affinity.as_ref(), self.id));
        match claimed {
            Some(target) => self.hand_over(thread, target, 0),
            None => self.requeue(thread),
        }
    }
}
