//! The control word of a CPU: requests to it and how it may be reached, in one atomic.
//!
//! Both sides of every handshake are read-modify-writes of this word, so that none needs a fence:
//! * *work against sleep*: a sender adds to the inbox, then sets WORK; the owner goes to sleep by
//!   exchanging a word without WORK for one with SLEEPING. One of the two sees the other.
//! * *work against no tick*: the same with TICK_OFF, set by the owner when it needs no tick.
//! * *drain*: the owner clears WORK and NEED before it drains, so a later sender sets WORK anew.
//!
//! Invariants: an inbox that is not empty implies WORK set or its setter about to set it;
//! SLEEPING with WORK implies that an interrupt is pending.

use crate::sync::{AtomicU32, Ordering, mutate};

/// The inbox has something, or surplus waits elsewhere.
pub(crate) const WORK: u32 = 1 << 0;
/// Look at once: something should run before the present thread.
pub(crate) const NEED: u32 = 1 << 1;
/// The owner watches this word: no interrupt needed.
pub(crate) const POLLING: u32 = 1 << 2;
/// The owner waits for an interrupt.
pub(crate) const SLEEPING: u32 = 1 << 3;
/// The owner's tick is off: it would not look by itself.
pub(crate) const TICK_OFF: u32 = 1 << 4;

pub(crate) struct ControlWord(AtomicU32);

impl ControlWord {
    pub fn new() -> Self {
        Self(AtomicU32::new(TICK_OFF))
    }

    /// Sets request bits; says whether the owner must be interrupted to see them.
    #[must_use = "an interrupt may be due"]
    pub fn request(&self, bits: u32) -> bool {
        let before = self.0.fetch_or(bits, Ordering::AcqRel);
        let fresh = bits & !before;
        let unreachable = before & (SLEEPING | mutate("tick_off_ignored", TICK_OFF, 0)) != 0;
        let swallowed = mutate("need_behind_work", false, before & WORK != 0);
        let urgent = fresh & NEED != 0 && !swallowed;
        fresh != 0 && before & POLLING == 0 && (unreachable || urgent)
    }

    /// Whether a request is waiting. A request that comes later brings its own interrupt.
    #[inline]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed) & (WORK | NEED) != 0
    }

    /// Takes the requests before they are served; what they are about is visible after.
    pub fn take_requests(&self) -> u32 {
        self.0.fetch_and(!(WORK | NEED), Ordering::AcqRel) & (WORK | NEED)
    }

    /// Sets or clears TICK_OFF; false when a request slipped in that nobody would interrupt for.
    #[must_use = "a request may be waiting"]
    pub fn set_tick_off(&self, off: bool) -> bool {
        let before = if off {
            self.0.fetch_or(TICK_OFF, Ordering::AcqRel)
        } else {
            self.0.fetch_and(!TICK_OFF, Ordering::AcqRel)
        };
        !off || before & WORK == 0
    }

    /// Commits to waiting for an interrupt; false when a request is there.
    #[must_use = "do not wait when this fails"]
    pub fn try_sleep(&self) -> bool {
        if mutate("sleep_by_store", false, true) {
            let word = self.0.load(Ordering::Acquire);
            self.0.store(word | SLEEPING, Ordering::Release);
            return word & (WORK | NEED) == 0;
        }
        let mut word = self.0.load(Ordering::Relaxed);
        while word & (WORK | NEED) == 0 {
            let (ok, ko) = (Ordering::AcqRel, Ordering::Relaxed);
            match self.0.compare_exchange_weak(word, word | SLEEPING, ok, ko) {
                Ok(_) => return true,
                Err(current) => word = current,
            }
        }
        false
    }

    /// Awake again.
    pub fn end_sleep(&self) {
        self.0.fetch_and(!SLEEPING, Ordering::AcqRel);
    }

    /// Announces that the owner watches this word for a while, or no longer does.
    pub fn set_polling(&self, polling: bool) {
        if polling {
            self.0.fetch_or(POLLING, Ordering::AcqRel);
        } else {
            self.0.fetch_and(!POLLING, Ordering::AcqRel);
        }
    }
}
