//! How much of a full CPU a thread wants: what decides whether a slow one will do.
//!
//! A moving average over the last tens of milliseconds. Time on a slow CPU counts for as much as
//! that CPU does, so that a thread that keeps a slow one busy does not look like a heavy one of
//! its own accord: it then wants all that CPU has, which is when it should move.

use crate::topology::FULL_CAPACITY;

/// The average forgets within about 1 << 25 ns, 34 ms.
const WINDOW_SHIFT: u32 = 25;
const WINDOW_NS: u64 = 1 << WINDOW_SHIFT;
/// Fraction bits of the average: short runs must count too.
const FRACTION: u32 = 20;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demand(u64);

impl Demand {
    /// It ran on a CPU of this capacity.
    pub fn ran(&mut self, run_ns: u64, capacity: u16) {
        self.approach(u64::from(capacity) << FRACTION, run_ns);
    }

    pub fn slept(&mut self, slept_ns: u64) {
        self.approach(0, slept_ns);
    }

    /// 0 to [`FULL_CAPACITY`].
    pub fn level(self) -> u16 {
        (self.0 >> FRACTION) as u16
    }

    /// Whether a CPU of `capacity` leaves it a fifth to spare, or there is none faster.
    pub fn fits(self, capacity: u16) -> bool {
        capacity >= FULL_CAPACITY || u32::from(self.level()) * 5 <= u32::from(capacity) * 4
    }

    fn approach(&mut self, goal: u64, time_ns: u64) {
        let part = time_ns.min(WINDOW_NS);
        let kept = (WINDOW_NS - part) * self.0;
        self.0 = (kept + part * goal) >> WINDOW_SHIFT;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn what_runs_half_the_time_wants_half() {
        let mut demand = Demand::default();
        for _ in 0..100 {
            demand.ran(MS, 1024);
            demand.slept(MS);
        }
        assert!((480..540).contains(&demand.level()), "{demand:?}");
    }

    #[test]
    #[cfg_attr(miri, ignore = "long, and mere arithmetic")]
    fn short_runs_count() {
        let mut demand = Demand::default();
        (0..100_000).for_each(|_| demand.ran(1000, 1024));
        assert!(demand.level() > 900, "{demand:?}");
    }

    #[test]
    fn who_fills_a_slow_cpu_does_not_fit_there() {
        let mut demand = Demand::default();
        (0..100).for_each(|_| demand.ran(MS, 400));
        assert!(demand.level() <= 400 && !demand.fits(400) && demand.fits(1024));
        demand.slept(100 * MS);
        assert!(demand.fits(1));
    }
}
