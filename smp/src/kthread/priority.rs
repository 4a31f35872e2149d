//! The 32 priorities of kernel threads, and what the scheduler's classes make of them.
//!
//! | priority | without the real-time flag | with it |
//! |---|---|---|
//! | 0 | idle | FIFO 1 |
//! | 1 to 16 | fair, nice 19 to 0 | FIFO 4 to 49 |
//! | 17 to 23 | fair, nice -3 to -20 | FIFO 52 to 70 |
//! | 24 to 31 | round robin 73 to 94 | FIFO 73 to 94 |
//!
//! Real-time priorities are 3 p + 1: order is kept, with room between for others. A higher number
//! is served first: strictly from 24 on, by share below. So unlike a system of strict priorities
//! throughout, a busy thread of priority 20 slows one of priority 10 and does not stop it.

use crate::spec::Policy;

/// A kernel thread's priority, 0 (least urgent) to 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(u8);

impl Priority {
    pub const COUNT: u8 = 32;
    /// Runs when nobody else would.
    pub const LOWEST: Self = Self(0);
    pub const LOW: Self = Self(8);
    pub const DEFAULT: Self = Self(16);
    /// The first that is strictly before all of lesser priority.
    pub const HIGH: Self = Self(24);
    /// For threads that finish what interrupt handlers began.
    pub const DEFERRED_WORK: Self = Self(30);
    pub const HIGHEST: Self = Self(31);

    /// `None` beyond 31.
    pub const fn new(level: u8) -> Option<Self> {
        if level < Self::COUNT {
            Some(Self(level))
        } else {
            None
        }
    }

    pub const fn level(self) -> u8 {
        self.0
    }

    /// The class and nice value of a thread of this priority.
    pub fn class(self, realtime: bool) -> (Policy, i8) {
        let strict = 3 * self.0 + 1;
        match self.0 {
            _ if realtime => (Policy::Fifo(strict), self.nice()),
            0 => (Policy::Idle, self.nice()),
            1..24 => (Policy::Normal, self.nice()),
            _ => (Policy::RoundRobin(strict), self.nice()),
        }
    }

    /// Linear on each side of the default.
    fn nice(self) -> i8 {
        match i16::from(self.0) - 16 {
            below @ ..0 => (-below * 19 / 15).min(19) as i8,
            above => -((above * 20 + 6) / 7).min(20) as i8,
        }
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::DEFAULT
    }
}
