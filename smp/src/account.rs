//! Where a CPU's time goes: the exception paths report each change of mode here.
//!
//! Each call reads the clock once and charges the time since the last report to the class that
//! ends. IRQs must be masked. Unpaired calls are harmless: the time is charged to the wrong
//! class for one interval, never lost.

use core::sync::atomic::{
    AtomicU32, AtomicU64,
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
/// A reader must not see the sum and the running interval from two different moments, or time
/// would go backwards: `since_ns` is 0 while the owner writes, and a reader that finds it changed
/// looks again. (The owner's second store is a Release, as is the last; the reader's loads are
/// Acquires.)
#[derive(Default)]
pub(crate) struct ClassTimes {
    total_ns: [AtomicU64; 4],
    class: AtomicU32,
    since_ns: AtomicU64,
}

impl ClassTimes {
    /// The CPU comes up, idle.
    pub fn begin(&self, now_ns: u64) {
        self.class.store(TimeClass::Idle as u32, Relaxed);
        self.since_ns.store(now_ns.max(1), Release);
    }

    /// The CPU goes off: its time ends.
    pub fn end(&self, now_ns: u64) {
        self.change(now_ns, TimeClass::Idle);
        self.since_ns.store(0, Release);
    }

    /// Charges the time since the last change to the class that ends; returns both.
    pub fn change(&self, now_ns: u64, class: TimeClass) -> (TimeClass, u64) {
        let before = TimeClass::from_index(self.class.load(Relaxed));
        let elapsed = match self.since_ns.load(Relaxed) {
            0 => 0, // The CPU is not online yet.
            since => now_ns.saturating_sub(since),
        };
        let total = &self.total_ns[before as usize];
        self.since_ns.store(0, Relaxed);
        total.store(total.load(Relaxed) + elapsed, Release);
        self.class.store(class as u32, Release);
        self.since_ns.store(now_ns.max(1), Release);
        (before, elapsed)
    }

    /// The totals, with the running interval of a CPU that is online.
    pub fn snapshot(&self, now_ns: u64, online: bool) -> [u64; 4] {
        const TRIES: usize = 100;
        let mut totals = [0; 4];
        for _ in 0..TRIES {
            let since = self.since_ns.load(Acquire);
            totals = core::array::from_fn(|class| self.total_ns[class].load(Acquire));
            if since == 0 && !online {
                break;
            }
            let class = TimeClass::from_index(self.class.load(Acquire));
            if since != 0 && self.since_ns.load(Relaxed) == since {
                totals[class as usize] += now_ns.saturating_sub(since);
                break;
            }
        }
        totals
    }
}

/// About to return to user mode.
#[inline]
pub fn enter_user() {
    runtime().enter_class(TimeClass::User);
}

/// Entered the kernel from user mode (a system call or a fault).
#[inline]
pub fn enter_kernel() {
    runtime().enter_class(TimeClass::System);
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
