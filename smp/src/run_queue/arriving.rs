//! Arriving: whether a thread may be queued here, and whether it runs before the present one.

use crate::affinity::settle;
use crate::body::Body;
use crate::control_word;
use crate::fair::FairQueue;
use crate::held::Held;
use crate::ordered::NOBODY;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::spec::Policy;

impl<P: Platform> Owner<'_, P> {
    /// Queues a thread that comes from elsewhere, unless it must not be here.
    pub fn arrive(&mut self, thread: Held) {
        if thread.state.load().control() {
            settle(&thread);
        }
        if !self.may_keep(&thread) || self.better_elsewhere(&thread) {
            self.dispatch(thread, control_word::NEED);
            return;
        }
        self.freshen();
        let (running, now) = (self.found_running(), self.now());
        thread.body(|body| self.local.fair.attach(body, running, now));
        self.admit(thread, false);
    }

    /// The weight of the thread that an arriving one finds running, 0 if that is not fair; and before
    /// when the one that arrives is due: whom that thread calls goes before it.
    fn found_running(&mut self) -> (u64, u64) {
        if self.local.is_idle() {
            return (0, NOBODY);
        }
        let (weight, deadline) =
            self.current_body(|body| (body.fair_weight(), body.share.deadline));
        (weight, if self.calls { deadline } else { NOBODY })
    }

    /// Queues a thread that is new here or has new parameters; it may come before the present one.
    #[inline(never)]
    pub fn admit(&mut self, thread: Held, in_front: bool) {
        if self.comes_first(&thread) {
            self.set_need(true);
        }
        self.queue(thread, in_front);
    }

    /// Whether a wake is part of a bulk transfer of the running thread (`bulk.rs`).
    fn is_bulk_wake(&self) -> bool {
        self.by_thread && self.current().moves_bulk()
    }

    /// Whether an arriving thread should run before the present one.
    fn comes_first(&self, thread: &Held) -> bool {
        if self.local.is_idle() {
            return false; // The idle loop looks by itself.
        }
        let fair = &self.local.fair;
        let server_spent = self.local.fair_server.is_spent();
        let (priority, arriving) = thread.body(|body| (body.priority, Arrival::of(body, fair)));
        self.current_body(|current| match (priority, current.priority) {
            (0, 0) => !self.is_bulk_wake() && arriving.comes_before(current),
            (0, _) => server_spent,
            (_, 0) => !server_spent,
            (arriving, running) => arriving > running,
        })
    }
}

/// What decides whether a fair thread that arrives runs before the one that is running.
struct Arrival {
    policy: Policy,
    eligible: bool,
    deadline: u64,
}

impl Arrival {
    fn of(body: &Body, fair: &FairQueue) -> Self {
        Self {
            policy: body.policy,
            eligible: fair.is_eligible(&body.share),
            deadline: body.share.deadline,
        }
    }

    /// sched(7): a batch thread does not preempt, an idle one is preempted by any other.
    fn comes_before(&self, running: &Body) -> bool {
        match (self.policy, running.policy) {
            (Policy::Idle | Policy::Batch, Policy::Normal) => false,
            (Policy::Normal | Policy::Batch, Policy::Idle) => true,
            (Policy::Batch, _) => false,
            _ => self.eligible && self.deadline < running.share.deadline,
        }
    }
}
