//! Switching threads: choosing the next, and going over to it. `account.rs` keeps the books,
//! `tail.rs` settles the thread that is left behind.

mod account;
mod tail;

use alloc::sync::Arc;

use crate::chaos::RacePoint;
use crate::cpu::Tail;
use crate::held::Held;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::runtime::Unparked;
use crate::scheduler::Scheduler;
use crate::stats::bump;
use crate::sync::{Ordering, fence, mutate};
use crate::thread::Thread;
use crate::tick::NEVER;
use crate::trace::Left;

/// Why the running thread may be switched away from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It is PARKING.
    Park,
    Yield,
    Preempt,
    Exit,
    /// It is the idle thread.
    Idle,
}

impl Reason {
    /// The same for the trace.
    fn left(self) -> Left {
        match self {
            Reason::Park => Left::Parked,
            Reason::Yield => Left::Yielded,
            Reason::Preempt => Left::Preempted,
            Reason::Exit => Left::Ended,
            Reason::Idle => Left::Idle,
        }
    }
}

/// The two ends of a switch that has been decided: it must happen.
#[must_use = "the next thread is RUNNING already"]
pub(crate) struct Switch {
    prev: *const Thread,
    next: *const Thread,
}

impl<P: Platform> Scheduler<P> {
    /// Runs another thread if there is reason to. IRQs masked; returns when the calling thread
    /// runs again (never, for `Exit`), perhaps on another CPU.
    ///
    /// Made anew for each reason, which decides much of what follows: the same for all would cost
    /// every switch a sixth more.
    #[inline(always)]
    pub(crate) fn reschedule(&self, reason: Reason) {
        // SAFETY: IRQs are masked; nobody calls this while acting; gone before the switch.
        let chosen = unsafe { self.owner() }.choose(reason);
        if let Some(switch) = chosen {
            self.perform(switch);
        }
    }

    #[inline(always)]
    pub(crate) fn perform(&self, switch: Switch) {
        if mutate("tail_before_save", false, true) {
            self.finish_switch();
        }
        // Pairs with the fence of `Thread::running_on`: either the thread that comes finds what it
        // is to be told, or who tells it sees it running.
        if mutate("switch_fence", true, false) {
            fence(Ordering::SeqCst);
        }
        // SAFETY: `prev` is the caller, `next` is RUNNING and this CPU's alone; both stay alive
        // until a tail has published `prev`, which needs this switch done.
        unsafe {
            let (prev, next) = (&*switch.prev, &*switch.next);
            self.platform.before_switch(prev, next);
            self.platform.switch(prev, next);
        }
        self.finish_switch();
    }

    /// The tail. On the resumed thread, IRQs masked, before anything else: `reschedule` calls it,
    /// and [`thread_main`](Self::thread_main) for a thread that runs for the first time.
    pub fn finish_switch(&self) {
        self.with_owner(|owner| owner.run_tail());
    }
}

impl<P: Platform> Owner<'_, P> {
    /// Commits the running thread to sleep, unless a wake token or the deadline is there.
    #[inline(always)]
    pub fn park(&mut self, deadline_ns: Option<u64>) -> Result<Switch, Unparked> {
        if deadline_ns.is_some_and(|deadline| deadline <= self.now()) {
            let woken = self.current().state.take_token();
            return Err(if woken {
                Unparked::Woken
            } else {
                Unparked::TimedOut
            });
        }
        if !self.current().state.begin_park() {
            return Err(Unparked::Woken);
        }
        self.sleep_until(deadline_ns);
        self.race_point(RacePoint::Parking);
        Ok(self
            .choose(Reason::Park)
            .expect("a parking thread leaves the CPU"))
    }

    /// Whether somebody wants the running thread to give way.
    pub fn preempt_due(&self) -> bool {
        (self.local.need || self.cpu.shared.control.is_requested()) && !self.local.is_idle()
    }

    #[inline(always)]
    pub fn choose(&mut self, reason: Reason) -> Option<Switch> {
        bump(&self.cpu.stats.schedules, 1);
        self.serve_requests();
        self.set_need(false);
        match reason {
            Reason::Idle => self.charge_idle(),
            _ => self.charge_running(),
        }
        self.local.fair.reconcile(&self.cpu.shared.shelf);
        let stays = matches!(reason, Reason::Preempt | Reason::Yield) && !self.must_leave();
        if stays && !self.should_give_way(reason) {
            self.leave();
            return None;
        }
        let next = match self.pick_or_look(stays) {
            Some(next) => next.into_raw(),
            None if stays || reason == Reason::Idle => {
                self.leave();
                return None;
            }
            None => Arc::as_ptr(&self.local.idle),
        };
        Some(self.switch_to(next, reason))
    }

    #[inline(always)]
    fn should_give_way(&mut self, reason: Reason) -> bool {
        if reason == Reason::Preempt {
            self.local.forced &= self.local.waiting() > 0;
            return self.local.forced || self.better_waits();
        }
        bump(&self.cpu.stats.yields, 1);
        let waits = self.local.waiting() > 0;
        let fair = &self.local.fair;
        let priority = self.current_body(|body| {
            if waits {
                fair.step_back(&mut body.share);
            }
            body.goes_last = true;
            body.priority
        });
        match priority {
            0 => waits,
            _ => self.local.fair_goes_first() || self.local.realtime.top() >= priority,
        }
    }

    #[inline(always)]
    fn pick_or_look(&mut self, stays: bool) -> Option<Held> {
        let picked = self.pick();
        if picked.is_some() || stays || self.local.leaving {
            return picked;
        }
        let found = self.look_elsewhere();
        // What came meanwhile is compared with `found` where it is picked.
        self.set_need(false);
        found
    }

    /// Makes `next` current and notes what the tail must do for the thread that was.
    #[inline(always)]
    pub fn switch_to(&mut self, next: *const Thread, reason: Reason) -> Switch {
        let (prev, now) = (self.local.current(), self.now());
        let was_idle = reason == Reason::Idle;
        debug_assert_eq!(was_idle, self.local.is_idle());
        if !was_idle {
            self.settle_leaving(reason, now);
        }
        self.note_switch(next, reason, now);
        self.local.tail = match reason {
            Reason::Idle => Tail::None,
            Reason::Park => Tail::Park(prev),
            Reason::Exit => Tail::Bury(prev),
            Reason::Yield | Reason::Preempt => Tail::Requeue(prev),
        };
        self.local.set_current(next);
        self.local.charged_ns = now;
        self.local.quantum_end_ns = NEVER;
        if was_idle {
            self.sched.idle.remove(&self.sched.map, self.id);
        }
        self.enter(now);
        self.race_point(RacePoint::Switching);
        Switch { prev, next }
    }
}
