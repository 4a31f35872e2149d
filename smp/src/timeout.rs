//! How long to wait: not at all, for a time, for ever.

use crate::runtime::now_ns;

/// A limit on a wait, as kernel code states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// Look once, never sleep.
    Now,
    /// At most so many nanoseconds from the call on.
    After(u64),
    Never,
}

impl Timeout {
    pub const fn ms(milliseconds: u64) -> Self {
        Timeout::After(milliseconds.saturating_mul(1_000_000))
    }

    /// The monotonic time at which the wait ends; `None` for never.
    pub fn deadline_ns(self) -> Option<u64> {
        match self {
            Timeout::Now => Some(0),
            Timeout::After(ns) => Some(now_ns().saturating_add(ns)),
            Timeout::Never => None,
        }
    }
}
