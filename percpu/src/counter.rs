//! Event counters: added to on any CPU without a lock, read as a sum or per CPU.

use crate::{CpuId, CpuLocal, MAX_CPUS, is_present};
use core::sync::atomic::{AtomicU64, Ordering};

/// One CPU's share of a count. Declare with [`crate::cpu_local!`]; use through the slot:
///
/// ```
/// percpu::cpu_local! { static WAKES: percpu::Counter = percpu::Counter::new(); }
/// WAKES.add(1);
/// assert_eq!(WAKES.sum(), 1);
/// ```
pub struct Counter(AtomicU64);

impl Counter {
    pub const fn new() -> Counter {
        Counter(AtomicU64::new(0))
    }

    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Default for Counter {
    fn default() -> Self {
        Counter::new()
    }
}

impl CpuLocal<Counter> {
    /// Adds to this CPU's share. Needs no pinning: the addition is atomic, so a change of CPU in
    /// the middle books the event on the CPU left behind but never loses it.
    #[inline]
    pub fn add(&'static self, events: u64) {
        self.any().0.fetch_add(events, Ordering::Relaxed);
    }

    /// One CPU's share.
    pub fn on(&'static self, cpu: CpuId) -> u64 {
        self.remote(cpu).value()
    }

    /// The total over all CPUs that were ever set up. Not a snapshot: CPUs go on counting.
    pub fn sum(&'static self) -> u64 {
        let present = (0..MAX_CPUS).map(CpuId::new).filter(|&cpu| is_present(cpu));
        present.map(|cpu| self.on(cpu)).fold(0, u64::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_event_is_lost_between_cpus() {
        crate::cpu_local! { static EVENTS: Counter = Counter::new(); }
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| EVENTS.add(1)));
            }
        });
        assert_eq!(EVENTS.sum(), 400);
    }
}
