//! Where a thread may run: the set itself, and two words that save looking at it.

use core::sync::atomic::Ordering::Relaxed;

use percpu::{CpuId, CpuSet};

use super::Thread;
use crate::sync::{Ordering, irqs_off};

/// In place of the number of a CPU.
const NO_CPU: u32 = u32::MAX;

/// The only member of a set.
pub(super) fn only_cpu(set: &CpuSet) -> u32 {
    match (set.count(), set.first()) {
        (1, Some(cpu)) => cpu.index() as u32,
        _ => NO_CPU,
    }
}

impl Thread {
    pub fn affinity(&self) -> CpuSet {
        let _irqs = irqs_off();
        *self.affinity.lock()
    }

    /// Whether `set` is its affinity already, and nobody has yet to make that known.
    pub(crate) fn is_settled_on(&self, set: &CpuSet) -> bool {
        // In this order: a changer stores, sets CONTROL, then no longer counts.
        let same = self.affinity() == *set;
        same && self.changing.load(Ordering::Acquire) == 0 && !self.state.load().control()
    }

    /// Whether its affinity leaves out any CPU: such a thread is never offered on a shelf.
    pub(crate) fn is_restricted(&self) -> bool {
        self.restricted.load(Ordering::Relaxed)
    }

    /// Whether its affinity leaves it one CPU.
    pub(crate) fn is_pinned(&self) -> bool {
        self.is_restricted() && self.pinned_to.load(Ordering::Relaxed) != NO_CPU
    }

    /// IRQs masked. While the affinity changes the answer may be that of before; who acts on it
    /// sees CONTROL afterwards.
    #[inline(always)]
    pub(crate) fn may_run_on(&self, cpu: CpuId) -> bool {
        if !self.is_restricted() {
            return true;
        }
        // Acquire: whoever finds the new value finds its changer too (`check_affinity`).
        match self.pinned_to.load(Ordering::Acquire) {
            NO_CPU => self.is_among(cpu),
            only => only == cpu.index() as u32,
        }
    }

    #[inline(never)]
    fn is_among(&self, cpu: CpuId) -> bool {
        self.affinity.lock().contains(cpu)
    }

    /// Takes effect with the CONTROL request that must follow.
    pub(crate) fn store_affinity(&self, set: &CpuSet) {
        let _irqs = irqs_off();
        let mut affinity = self.affinity.lock();
        *affinity = *set;
        self.pinned_to.store(only_cpu(set), Ordering::Release);
        self.restricted
            .store(*set != CpuSet::ALL, Ordering::Relaxed);
    }

    /// Lets the thread run everywhere if no CPU of `online` is allowed it. IRQs masked.
    pub(crate) fn lift_restriction(&self, online: &CpuSet) -> bool {
        let mut affinity = self.affinity.lock();
        let stranded = !affinity.intersects(online);
        if stranded {
            *affinity = CpuSet::ALL;
            self.pinned_to.store(NO_CPU, Ordering::Release);
            self.restricted.store(false, Ordering::Relaxed);
            self.unbound.store(true, Relaxed);
        }
        stranded
    }

    /// Takes the note that [`lift_restriction`](Self::lift_restriction) left.
    pub(crate) fn take_unbound(&self) -> bool {
        self.unbound.load(Relaxed) && self.unbound.swap(false, Relaxed)
    }
}
