//! How a thread is scheduled: class, priority and nice value, kept as one word so that they are
//! read and changed as a whole.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::pi::Urgency;
use crate::realtime::MAX_PRIORITY;
use crate::spec::Policy;

/// A thread's scheduling parameters. The nice value is kept while a real-time policy rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params {
    pub policy: Policy,
    /// -20 to 19.
    pub nice: i8,
}

impl Params {
    /// The real-time priority, 1 to 99; 0 for the fair class.
    pub fn priority(self) -> u8 {
        match self.policy {
            Policy::Fifo(priority) | Policy::RoundRobin(priority) => priority.min(MAX_PRIORITY),
            _ => 0,
        }
    }

    fn encode(self) -> u32 {
        let nice = self.nice.clamp(-20, 19) as u8;
        u32::from(self.policy.encode()) << 8 | u32::from(nice)
    }

    fn decode(word: u32) -> Self {
        Self {
            policy: Policy::decode((word >> 8) as u16),
            nice: word as u8 as i8,
        }
    }
}

/// The parameters of one thread, and in the top byte the urgency lent to it (`pi/`). Any CPU writes
/// them, then announces the change (`affinity.rs`): the announcement orders them, so that they need
/// no ordering of their own.
pub(crate) struct ParamsWord(AtomicU32);

const LENT_SHIFT: u32 = 24;
const LENT: u32 = 0xff << LENT_SHIFT;

fn effective(word: u32) -> Params {
    Urgency((word >> LENT_SHIFT) as u8).lend_to(Params::decode(word))
}

impl ParamsWord {
    pub fn new(params: Params) -> Self {
        Self(AtomicU32::new(params.encode()))
    }

    /// The thread's own.
    pub fn load(&self) -> Params {
        Params::decode(self.0.load(Relaxed))
    }

    /// What it is scheduled by: its own, raised to what is lent to it.
    #[inline]
    pub fn effective(&self) -> Params {
        effective(self.0.load(Relaxed))
    }

    pub fn urgency(&self) -> Urgency {
        Urgency::of(self.effective())
    }

    /// Lends the thread `urgency`, in place of what was lent before; says whether that changes
    /// how it is scheduled.
    pub fn lend(&self, urgency: Urgency) -> bool {
        let lent = |word| Some(word & !LENT | u32::from(urgency.0) << LENT_SHIFT);
        let before = self.0.fetch_update(Relaxed, Relaxed, lent);
        before.is_ok_and(|before| lent(before).map(effective) != Some(effective(before)))
    }

    /// Changes made at the same time by others are not lost.
    pub fn update(&self, change: impl Fn(Params) -> Params) {
        let encoded = |word| Some(word & LENT | change(Params::decode(word)).encode());
        let _ = self.0.fetch_update(Relaxed, Relaxed, encoded);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_word_carries_everything() {
        for policy in [
            Policy::Normal,
            Policy::Idle,
            Policy::Fifo(99),
            Policy::RoundRobin(1),
        ] {
            for nice in [-20, 0, 19] {
                let params = Params { policy, nice };
                assert_eq!(Params::decode(params.encode()), params);
            }
        }
    }

    #[test]
    fn values_out_of_range_are_clamped() {
        let word = ParamsWord::new(Params::default());
        word.update(|_| Params {
            policy: Policy::Fifo(200),
            nice: 100,
        });
        assert_eq!((word.load().priority(), word.load().nice), (99, 19));
    }
}
