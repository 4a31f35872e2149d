//! A CPU's queues as one: waiting, being picked. How threads come into them is in `requests.rs` and
//! `arriving.rs`, what running costs them in `charging.rs`, what others are told in `leaving.rs`.

mod arriving;
mod charging;
mod leaving;
mod requests;

use core::sync::atomic::Ordering::Relaxed;

use crate::control_word;
use crate::held::Held;
use crate::ordered::NOBODY;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::thread::{Thread, Waiting};

pub(crate) use requests::MAX_ROUNDS;

impl<P: Platform> Owner<'_, P> {
    /// Puts a thread that is at home here, and placed on the clock, into its queue.
    #[inline(always)]
    pub fn queue(&mut self, thread: Held, in_front: bool) {
        self.dirty = true;
        let now = self.now();
        let (priority, stolen) = thread.body(|body| {
            body.queued_ns = now;
            (body.priority, body.stolen)
        });
        if priority > 0 {
            return self.local.realtime.insert(thread, priority, in_front);
        }
        let (start, deadline) = thread.body(|body| (body.share.start, body.share.deadline));
        thread.counters.virtual_start.store(start, Relaxed);
        thread.counters.virtual_deadline.store(deadline, Relaxed);
        let movable = self.sched.cpus.len() > 1 && !stolen && !thread.is_restricted();
        self.local
            .fair
            .insert(thread, &self.cpu.shared.shelf, movable);
    }

    /// Takes the thread to run next, RUNNING already. Threads whose parameters changed are
    /// sent where they belong on the way.
    #[inline(always)]
    pub fn pick(&mut self) -> Option<Held> {
        loop {
            let thread = self.pop()?;
            self.dirty = true;
            if thread.state.run(self.id).is_ok() {
                return Some(thread);
            }
            self.settle_picked(thread);
        }
    }

    #[cold]
    fn settle_picked(&mut self, thread: Held) {
        self.settle_here(&thread);
        if self.may_keep(&thread) {
            self.queue(thread, true);
        } else {
            self.send_away(thread);
        }
    }

    #[inline(always)]
    fn pop(&mut self) -> Option<Held> {
        let Self { local, cpu, .. } = self;
        let fair_first = local.fair_goes_first();
        if !fair_first && let Some(urgent) = local.realtime.pop() {
            return Some(urgent);
        }
        let fair = local.fair.pop(&cpu.shared.shelf);
        fair.or_else(|| local.realtime.pop())
    }

    /// Sends a thread that waits here to a CPU it may run on.
    #[inline(never)]
    pub fn send_away(&mut self, thread: Held) {
        thread.body(|body| self.local.fair.detach(body));
        self.dispatch(thread, control_word::NEED);
    }

    /// Takes a thread out of the tree or list it waits in here.
    pub fn unlink(&mut self, thread: &Thread) -> Option<Held> {
        self.dirty = true;
        match thread.waiting(self.id) {
            // SAFETY: this CPU's own note of where it put the thread.
            Some(Waiting::Realtime(p)) => Some(unsafe { self.local.realtime.unlink(thread, p) }),
            // SAFETY: as above.
            Some(place) => Some(unsafe { self.local.fair.unlink(thread, place) }),
            None => self.local.fair.withdraw(thread, &self.cpu.shared.shelf),
        }
    }

    /// Whether a waiting thread should run before the present one, which was just charged.
    pub fn better_waits(&mut self) -> bool {
        self.local.fair.reconcile(&self.cpu.shared.shelf);
        let top = self.local.realtime.top();
        let first = self.local.fair.first_deadline();
        let fair = &self.local.fair;
        self.current_body(|current| match (top, current.priority) {
            // Who runs is not disturbed until its request is served, but for an earlier deadline.
            (0, 0) => {
                let share = &current.share;
                let served = share.served && !fair.is_eligible(share);
                first < share.deadline || served && first != NOBODY
            }
            (_, 0) => !self.local.fair_server.is_spent(),
            (_, _) if self.local.fair_goes_first() => true,
            (waiting, running) => waiting > running || waiting == running && current.turn_is_over(),
        })
    }

    /// Whether the running thread was forbidden this CPU, has a better one, or this CPU leaves.
    pub fn must_leave(&self) -> bool {
        let thread = self.current();
        self.local.leaving
            || self.local.misplaced
            || thread.state.load().control() && !thread.may_run_on(self.id)
    }
}
