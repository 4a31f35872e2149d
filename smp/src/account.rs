//! Where a CPU's time goes: the exception paths report each change of mode here.
//!
//! Each call reads the clock once and charges the time since the last report to the class that
//! ends. IRQs must be masked. Unpaired calls are harmless: the time is charged to the wrong
//! class for one interval, never lost.

use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::runtime::runtime;

/// What a CPU is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TimeClass {
    System = 0,
    User = 1,
    Irq = 2,
    Idle = 3,
}

impl TimeClass {
    pub(crate) fn from_index(index: u32) -> Self {
        [Self::System, Self::User, Self::Irq, Self::Idle][index as usize & 3]
    }
}

/// Time by class, of one CPU: the owner writes, anybody reads.
///
/// The owner writes the total that ends, then the word that begins the next interval (Release). A
/// reader retries while the word changes, and takes the running interval to be what the clock
/// shows beyond all totals: so a total seen ahead of its word is never counted twice, and the
/// classes always add up to the time the CPU was online.
#[derive(Default)]
pub(crate) struct ClassTimes {
    total_ns: [AtomicU64; 4],
    /// When the running interval began and its class, as [`interval`] packs them; 0: off.
    running: AtomicU64,
    /// The clock's reading less all totals when the CPU came up.
    base_ns: AtomicU64,
}

const SINCE_SHIFT: u32 = 3;
const ONLINE: u64 = 1 << 2;
const CLASS: u64 = (1 << SINCE_SHIFT) - 1;

#[inline(always)]
const fn interval(since_ns: u64, class: TimeClass) -> u64 {
    since_ns << SINCE_SHIFT | ONLINE | class as u64
}

impl ClassTimes {
    /// The CPU comes up, idle.
    pub fn begin(&self, now_ns: u64) {
        let sum: u64 = self.total_ns.iter().map(|total| total.load(Relaxed)).sum();
        self.base_ns.store(now_ns.wrapping_sub(sum), Relaxed);
        let idle = interval(now_ns, TimeClass::Idle);
        self.running.store(idle, Release);
    }

    /// The CPU goes off: its time ends.
    pub fn end(&self, now_ns: u64) {
        self.change(now_ns, TimeClass::Idle);
        self.running.store(0, Release);
    }

    /// Charges the time since the last change to the class that ends, and returns that.
    pub fn change(&self, now_ns: u64, class: TimeClass) -> TimeClass {
        let running = self.running.load(Relaxed);
        let before = TimeClass::from_index(running as u32);
        if running & ONLINE != 0 {
            self.change_from(before, now_ns, class);
        }
        before
    }

    /// The same, for which nothing need be written if the class does not change.
    #[inline(always)]
    pub fn go_on(&self, now_ns: u64, class: TimeClass) {
        if self.running.load(Relaxed) & CLASS != ONLINE | class as u64 {
            self.change(now_ns, class);
        }
    }

    /// The same when the class that ends is known and the CPU is online.
    #[inline(always)]
    pub fn change_from(&self, before: TimeClass, now_ns: u64, class: TimeClass) {
        let elapsed = now_ns.wrapping_sub(self.running.load(Relaxed) >> SINCE_SHIFT);
        let total = &self.total_ns[before as usize];
        total.store(total.load(Relaxed).wrapping_add(elapsed), Relaxed);
        self.running.store(interval(now_ns, class), Release);
    }

    /// The totals, with the running interval of a CPU that is online.
    pub fn snapshot(&self, now_ns: u64) -> [u64; 4] {
        const TRIES: usize = 100;
        let (mut running, mut totals) = (0, [0; 4]);
        for _ in 0..TRIES {
            running = self.running.load(Acquire);
            totals = core::array::from_fn(|class| self.total_ns[class].load(Acquire));
            if self.running.load(Relaxed) == running {
                break;
            }
        }
        if running & ONLINE != 0 {
            let known = self.base_ns.load(Relaxed).wrapping_add(totals.iter().sum());
            let class = TimeClass::from_index(running as u32);
            totals[class as usize] += now_ns.saturating_sub(known);
        }
        totals
    }
}

/// Entered an interrupt handler; give the result back to [`leave_irq`].
#[inline]
#[must_use = "leave_irq needs the interrupted class"]
pub fn enter_irq() -> TimeClass {
    runtime().enter_class(TimeClass::Irq)
}

/// Leaving the handler for whatever it interrupted.
#[inline]
pub fn leave_irq(interrupted: TimeClass) {
    runtime().enter_class(interrupted);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn classes_add_up_and_off_time_is_not_counted() {
        let times = ClassTimes::default();
        assert_eq!(times.change(5, TimeClass::User), TimeClass::System);
        times.begin(100);
        assert_eq!(times.change(110, TimeClass::User), TimeClass::Idle);
        times.change_from(TimeClass::User, 150, TimeClass::System);
        assert_eq!(times.snapshot(157), [7, 40, 0, 10]);
        times.end(160);
        assert_eq!(times.snapshot(900), [10, 40, 0, 10]);
        times.begin(1000);
        assert_eq!(times.snapshot(1003), [10, 40, 0, 13]);
    }

    /// However the reader is interleaved with the owner, the sum is the time that has passed.
    #[test]
    fn readers_see_no_time_twice() {
        let (times, done) = (ClassTimes::default(), AtomicBool::new(false));
        times.begin(0);
        let rounds = if cfg!(miri) { 50 } else { 200_000 };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for now in 1..=rounds {
                    times.change(now, TimeClass::from_index(now as u32));
                }
                done.store(true, Release);
            });
            while !done.load(Acquire) {
                let sum: u64 = times.snapshot(0).iter().sum();
                assert!(sum <= rounds, "{sum} of {rounds}");
            }
        });
        assert_eq!(times.snapshot(rounds).iter().sum::<u64>(), rounds);
    }
}
