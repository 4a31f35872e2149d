//! What the scheduler keeps about a thread, for whoever runs, holds or queues it.

use percpu::CpuId;

use crate::fair::{self, Share};
use crate::realtime;
use crate::spec::Policy;

/// See [`Held::body`](crate::held::Held::body).
#[derive(Debug)]
pub(crate) struct Body {
    pub share: Share,
    /// 0 for the fair class.
    pub priority: u8,
    /// A real-time thread takes turns; what is left of its turn.
    pub turn_left_ns: Option<u64>,
    pub policy: Policy,
    /// Urgency among offers, the smaller the sooner.
    pub key: u8,
    /// When it became ready or went to sleep.
    pub since_ns: u64,
    /// How long it slept before the wake that made it ready.
    pub slept_ns: u64,
    /// It gave up the rest of its turn.
    pub yielded: bool,
    /// Taken from another CPU and has not run since: not to be offered again.
    pub stolen: bool,
    /// The CPU it ran on last.
    pub ran_on: Option<CpuId>,
}

impl Body {
    pub fn new(policy: Policy, nice: i8) -> Self {
        let mut body = Self {
            share: Share::new(1),
            priority: 0,
            turn_left_ns: None,
            policy,
            key: 0,
            since_ns: 0,
            slept_ns: 0,
            yielded: false,
            stolen: false,
            ran_on: None,
        };
        body.settle(policy, nice);
        body
    }

    /// Takes over a changed nice value.
    pub fn renice(&mut self, nice: i8) {
        self.share.weight = fair::weight(nice, self.policy == Policy::Idle);
        self.key = (nice + 20) as u8;
    }

    pub fn charge_turn(&mut self, run_ns: u64) {
        self.turn_left_ns = self.turn_left_ns.map(|left| left.saturating_sub(run_ns));
    }

    pub fn turn_is_over(&self) -> bool {
        self.turn_left_ns == Some(0)
    }

    /// Back in the queue: whether before its equals, for a turn that was interrupted.
    pub fn begin_turn(&mut self) -> bool {
        let over = self.turn_is_over();
        if over {
            self.turn_left_ns = Some(realtime::TURN_NS);
        }
        !core::mem::take(&mut self.yielded) && !over
    }

    /// Takes over the parameters of the thread.
    pub fn settle(&mut self, policy: Policy, nice: i8) {
        self.policy = policy;
        self.renice(nice);
        let priority = match policy {
            Policy::Fifo(priority) | Policy::RoundRobin(priority) => priority,
            _ => 0,
        };
        self.priority = priority.min(realtime::MAX_PRIORITY);
        let turns = matches!(policy, Policy::RoundRobin(_));
        self.turn_left_ns = turns.then_some(realtime::TURN_NS);
    }
}
