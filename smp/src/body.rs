//! What the scheduler keeps about a thread, for whoever runs, holds or queues it.

use percpu::CpuId;

use crate::demand::Demand;
use crate::params::Params;
use crate::realtime;
use crate::share::{self, Share};
use crate::spec::Policy;

/// Which way a change of parameters moved a thread's real-time priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shift {
    Same,
    Raised,
    Lowered,
}

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
    /// When it came into the queue it waits in.
    pub queued_ns: u64,
    /// How long it slept before the wake that made it ready.
    pub slept_ns: u64,
    /// Behind its equals when it is queued next: it yielded, or its priority was raised.
    pub goes_last: bool,
    /// Taken from another CPU and has not run since: not to be offered again.
    pub stolen: bool,
    /// It waits, and could wait elsewhere: see `roamers.rs`.
    pub roams: bool,
    /// When it first ran on the CPU it ran on last.
    pub arrived_ns: u64,
    /// The CPU it ran on last.
    pub ran_on: Option<CpuId>,
    /// Kept on machines with slower and faster CPUs only.
    pub demand: Demand,
}

impl Body {
    pub fn new(params: Params) -> Self {
        let mut body = Self {
            share: Share::new(1),
            priority: 0,
            turn_left_ns: None,
            policy: params.policy,
            key: 0,
            since_ns: 0,
            queued_ns: 0,
            slept_ns: 0,
            goes_last: false,
            stolen: false,
            roams: false,
            arrived_ns: 0,
            ran_on: None,
            demand: Demand::default(),
        };
        let _ = body.settle(params);
        body
    }

    /// Its weight in the fair class; 0 for a real-time thread.
    pub fn fair_weight(&mut self) -> u64 {
        if self.priority > 0 {
            return 0;
        }
        self.share.weight()
    }

    pub fn charge_turn(&mut self, run_ns: u64) {
        self.turn_left_ns = self.turn_left_ns.map(|left| left.saturating_sub(run_ns));
    }

    pub fn turn_is_over(&self) -> bool {
        self.turn_left_ns == Some(0)
    }

    /// Nobody waits for the end of this turn or request: the next one is this thread's too.
    pub fn renew_turn(&mut self) {
        self.share.served = false;
        if self.turn_is_over() {
            self.turn_left_ns = Some(realtime::TURN_NS);
        }
    }

    /// Back in the queue: whether before its equals, for a turn that was interrupted.
    pub fn begin_turn(&mut self) -> bool {
        let over = self.turn_is_over();
        self.renew_turn();
        !core::mem::take(&mut self.goes_last) && !over
    }

    /// Takes over the parameters of the thread. One that changes class brings no lag along: what
    /// the fair class owes is not counted while real time serves.
    pub fn settle(&mut self, params: Params) -> Shift {
        let before = core::mem::replace(&mut self.priority, params.priority());
        self.policy = params.policy;
        let idle = params.policy == Policy::Idle;
        self.key = if idle {
            u8::MAX
        } else {
            (params.nice + 20) as u8
        };
        let weight = share::weight(params.nice, idle);
        self.share.reweigh(weight);
        if (before == 0) != (self.priority == 0) {
            self.share.forget();
        }
        let turns = matches!(params.policy, Policy::RoundRobin(_));
        let left = self.turn_left_ns.unwrap_or(realtime::TURN_NS);
        self.turn_left_ns = turns.then_some(left);
        match self.priority {
            now if now > before => Shift::Raised,
            now if now < before => Shift::Lowered,
            _ => Shift::Same,
        }
    }

    /// The same for a thread that runs: where its equals will find it when it is queued next
    /// (sched(7): raised, behind them; lowered, before them).
    pub fn settle_running(&mut self, params: Params) {
        match self.settle(params) {
            Shift::Raised => self.goes_last = true,
            Shift::Lowered => self.goes_last = false,
            Shift::Same => {}
        }
    }
}
