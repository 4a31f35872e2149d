//! Time that passes only while something is on, in one word: whoever reads it from another CPU sees
//! one moment, and never a stretch twice or not at all.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Off: the time so far, in nanoseconds. On: what the clock showed when it began, less the time until
/// then. Both modulo 2^63, which is 292 years.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch(AtomicU64);

const ON: u64 = 1 << 63;
/// A difference that is larger is one below zero.
const LONGEST_NS: u64 = ON >> 1;

impl Stopwatch {
    /// From `now_ns` on time passes. It is off; one CPU at a time does this.
    #[inline(always)]
    pub fn begin(&self, now_ns: u64) {
        let so_far = self.0.load(Relaxed);
        debug_assert_eq!(so_far & ON, 0, "begun twice");
        self.0.store(now_ns.wrapping_sub(so_far) | ON, Relaxed);
    }

    /// Until `now_ns` time has passed. It is on; as for [`begin`](Self::begin).
    #[inline(always)]
    pub fn end(&self, now_ns: u64) {
        let base = self.0.load(Relaxed);
        debug_assert_ne!(base & ON, 0, "ended twice");
        self.0.store(now_ns.wrapping_sub(base) & !ON, Relaxed);
    }

    pub fn is_on(&self) -> bool {
        self.0.load(Relaxed) & ON != 0
    }

    /// The time so far. The clock may have been read before what it shows here began.
    pub fn read(&self, now_ns: u64) -> u64 {
        let word = self.0.load(Relaxed);
        if word & ON == 0 {
            return word;
        }
        match now_ns.wrapping_sub(word) & !ON {
            below_zero if below_zero > LONGEST_NS => 0,
            passed => passed,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn time_passes_while_it_is_on() {
        let watch = Stopwatch::default();
        assert!(!watch.is_on() && watch.read(1_000) == 0);
        watch.begin(1_000);
        assert!(watch.is_on() && watch.read(1_007) == 7);
        watch.end(1_010);
        assert!(!watch.is_on() && watch.read(5_000) == 10);
        watch.begin(5_000);
        assert_eq!(watch.read(5_001), 11);
    }

    /// More time than the clock shows: it was begun at a small reading.
    #[test]
    fn a_clock_read_too_early_shows_no_centuries() {
        let watch = Stopwatch::default();
        watch.begin(1_000);
        assert_eq!(watch.read(999), 0);
        watch.end(1_100);
        watch.begin(10);
        assert_eq!((watch.read(10), watch.read(5)), (100, 95));
    }

    /// One CPU switches it on and off, another looks: what it sees only grows.
    #[test]
    #[cfg_attr(miri, ignore = "long")]
    fn who_looks_on_sees_no_stretch_twice() {
        use std::sync::atomic::AtomicBool;
        const STRETCH_NS: u64 = 1_000_000;
        const ROUNDS: u64 = 200_000;
        let (watch, clock, over) = (
            Stopwatch::default(),
            AtomicU64::new(1),
            AtomicBool::new(false),
        );
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    watch.begin(clock.load(Relaxed));
                    let now = clock.fetch_add(STRETCH_NS, Relaxed) + STRETCH_NS;
                    watch.end(now);
                }
                over.store(true, Relaxed);
            });
            let mut before = 0;
            while !over.load(Relaxed) {
                // Everything is run time here, so it is never more than the clock shows afterwards.
                let now = clock.load(Relaxed);
                let shown = watch.read(now);
                assert!(shown < clock.load(Relaxed) && shown + STRETCH_NS >= before);
                before = shown;
            }
        });
        assert_eq!(watch.read(0), ROUNDS * STRETCH_NS);
    }
}
