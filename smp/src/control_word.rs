//! The control word of a CPU: requests to it and how it may be reached, in one atomic.
//!
//! Both sides of every handshake are read-modify-writes of this word, so that none needs a fence:
//! * *work against sleep*: a sender adds to the inbox, then sets WORK; the owner goes to sleep by
//!   exchanging a word without WORK for one with SLEEPING. One of the two sees the other.
//! * *work against no tick*: the same with TICK_OFF, set by the owner when it needs no tick.
//! * *drain*: the owner clears WORK and NEED before it drains, so a later sender sets WORK anew.
//! * *work against going off*: as against sleep, with OFF; a sender that finds OFF takes back
//!   what it sent, and everything else that lies there.
//!
//! Invariants: an inbox that is not empty implies WORK set or its setter about to set it;
//! SLEEPING with WORK implies that an interrupt is pending.

use crate::sync::{AtomicU32, Ordering, mutate};

/// The inbox has something, or there is another request.
pub(crate) const WORK: u32 = 1 << 0;
/// Look at once: something should run before the present thread.
pub(crate) const NEED: u32 = 1 << 1;
/// The owner waits for an interrupt.
pub(crate) const SLEEPING: u32 = 1 << 2;
/// The owner's tick is off: it would not look by itself.
pub(crate) const TICK_OFF: u32 = 1 << 3;

/// The owner was asked to leave; stays until the CPU comes back.
pub(crate) const LEAVING: u32 = 1 << 4;
/// The CPU is off: nobody serves requests.
pub(crate) const OFF: u32 = 1 << 5;

/// A kick, with WORK: surplus waits somewhere, and the CPU was idle.
pub(crate) const LOOK: u32 = 1 << 7;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an interrupt may be due"]
pub(crate) enum Answer {
    /// The owner will look by itself.
    Noted,
    /// The owner must be interrupted to see it.
    Interrupt,
    /// There is no owner: the sender must see to what it sent.
    Off,
}

pub(crate) struct ControlWord(AtomicU32);

impl ControlWord {
    pub fn new() -> Self {
        Self(AtomicU32::new(TICK_OFF))
    }

    /// Sets request bits; what they are about is visible to whoever serves them.
    pub fn request(&self, bits: u32) -> Answer {
        let before = self.0.fetch_or(bits, Ordering::AcqRel);
        let fresh = bits & !before;
        let unreachable = before & (SLEEPING | mutate("tick_off_ignored", TICK_OFF, 0)) != 0;
        let swallowed = mutate("need_behind_work", false, before & WORK != 0);
        let urgent = fresh & (NEED | LOOK) != 0 && !swallowed;
        if before & mutate("off_ignored", OFF, 0) != 0 {
            return Answer::Off;
        }
        match fresh != 0 && (unreachable || urgent) {
            true => Answer::Interrupt,
            false => Answer::Noted,
        }
    }

    /// Whether a request is waiting. A request that comes later brings its own interrupt.
    #[inline]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed) & (WORK | NEED) != 0
    }

    /// Whether the owner waits for an interrupt and nobody has asked it for anything.
    pub fn is_asleep(&self) -> bool {
        self.0.load(Ordering::Acquire) & (SLEEPING | WORK | NEED) == SLEEPING
    }

    /// Takes the requests before they are served; what they are about is visible after. Returns
    /// all that was asked, LEAVING included, which stays.
    pub fn take_requests(&self) -> u32 {
        self.0.fetch_and(!(WORK | NEED | LOOK), Ordering::AcqRel)
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
        self.set_unless_requested(SLEEPING)
    }

    /// Awake again.
    pub fn end_sleep(&self) {
        self.0.fetch_and(!SLEEPING, Ordering::AcqRel);
    }

    /// Commits to being off; false when a request is there.
    #[must_use = "stay when this fails"]
    pub fn try_leave(&self) -> bool {
        if mutate("off_by_store", false, true) {
            let word = self.0.load(Ordering::Acquire);
            self.0.store(word | OFF, Ordering::Release);
            return true;
        }
        self.set_unless_requested(OFF)
    }

    /// Whether nobody serves requests, for decisions that a later read-modify-write confirms.
    pub fn is_off(&self) -> bool {
        self.0.load(Ordering::Acquire) & OFF != 0
    }

    /// The CPU is back. Requests that came while it was off stay: it will look.
    pub fn come_back(&self) {
        self.0.fetch_and(!(OFF | LEAVING), Ordering::AcqRel);
    }

    fn set_unless_requested(&self, bit: u32) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & (WORK | NEED) == 0 {
            let (ok, ko) = (Ordering::AcqRel, Ordering::Relaxed);
            match self.0.compare_exchange_weak(word, word | bit, ok, ko) {
                Ok(_) => return true,
                Err(current) => word = current,
            }
        }
        false
    }

    /// Whether the owner has nothing else to do than to look: an interrupt wakes it.
    pub fn is_attended(&self) -> bool {
        self.0.load(Ordering::Relaxed) & SLEEPING != 0
    }
}
