//! Urgency: the parameters of a thread as one number, so that waiters can be put in order and one
//! can be lent to another.

use crate::params::Params;
use crate::spec::Policy;

/// 0: nothing lent. 1: `Policy::Idle`. 2 to 41: fair, nice 19 to -20. 42 on: real time 1 to 99.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Urgency(pub(crate) u8);

const IDLE: u8 = 1;
const NICE_19: u8 = 2;
const BELOW_REALTIME: u8 = NICE_19 + 39;

impl Urgency {
    pub const NONE: Self = Self(0);

    pub fn of(params: Params) -> Self {
        match (params.priority(), params.policy) {
            (1.., _) => Self(BELOW_REALTIME + params.priority()),
            (_, Policy::Idle) => Self(IDLE),
            _ => Self(NICE_19 + (19 - params.nice.clamp(-20, 19)) as u8),
        }
    }

    pub fn is_realtime(self) -> bool {
        self.0 > BELOW_REALTIME
    }

    /// How a thread of parameters `own` runs while this is lent to it.
    pub(crate) fn lend_to(self, own: Params) -> Params {
        if self <= Self::of(own) {
            return own;
        }
        if let Some(priority) = self.0.checked_sub(BELOW_REALTIME).filter(|p| *p > 0) {
            let policy = match own.policy {
                Policy::RoundRobin(_) => Policy::RoundRobin(priority),
                _ => Policy::Fifo(priority),
            };
            return Params { policy, ..own };
        }
        let policy = match own.policy {
            Policy::Idle => Policy::Normal,
            policy => policy,
        };
        let nice = 19 - (self.0 - NICE_19) as i8;
        Params { policy, nice }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn params(policy: Policy, nice: i8) -> Params {
        Params { policy, nice }
    }

    #[test]
    fn ordered_as_the_scheduler_serves() {
        let ordered = [
            params(Policy::Idle, -20),
            params(Policy::Normal, 19),
            params(Policy::Batch, 0),
            params(Policy::Normal, -20),
            params(Policy::Fifo(1), 19),
            params(Policy::RoundRobin(2), 0),
            params(Policy::Fifo(99), 0),
        ];
        let urgencies: Vec<_> = ordered.into_iter().map(Urgency::of).collect();
        assert!(urgencies.is_sorted_by(|a, b| a < b), "{urgencies:?}");
        assert!(urgencies[4].is_realtime() && !urgencies[3].is_realtime());
    }

    #[test]
    fn lending_raises_and_never_lowers() {
        let everyone = [
            params(Policy::Idle, 0),
            params(Policy::Normal, 7),
            params(Policy::Batch, -3),
            params(Policy::Fifo(10), 0),
            params(Policy::RoundRobin(90), 0),
        ];
        for own in everyone {
            for lender in everyone {
                let raised = Urgency::of(lender).lend_to(own);
                let best = Urgency::of(own).max(Urgency::of(lender));
                assert_eq!(Urgency::of(raised), best, "{lender:?} to {own:?}");
            }
            assert_eq!(Urgency::NONE.lend_to(own), own);
        }
        let turns = Urgency::of(params(Policy::Fifo(50), 0)).lend_to(everyone[4]);
        assert_eq!(turns.policy, Policy::RoundRobin(90));
    }
}
