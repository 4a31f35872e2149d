//! Changing threads: choosing the next, and the tail that settles the one left behind.
//!
//! The tail runs on the next thread, when the context of the previous one is saved: only then is
//! the previous thread published as blocked, ready or dead. No waker ever waits for a switch.

use alloc::sync::Arc;
use core::ptr;
use core::sync::atomic::Ordering::Relaxed;

use percpu::CpuId;

use crate::account::TimeClass;
use crate::chaos::RacePoint;
use crate::checks::ledger;
use crate::control_word::NEED;
use crate::cpu::Tail;
use crate::held::Held;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::runtime::Unparked;
use crate::scheduler::Scheduler;
use crate::state::{Parked, Wake};
use crate::stats::bump;
use crate::sync::{Ordering, fence, mutate};
use crate::thread::Thread;
use crate::tick::NEVER;
use crate::trace::{Event, Left};

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
            let forced = core::mem::take(&mut self.local.forced) && self.local.waiting() > 0;
            return forced || self.better_waits();
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
        self.local.forced = false;
        if was_idle {
            self.sched.idle.remove(&self.sched.map, self.id);
        }
        self.enter(now);
        self.race_point(RacePoint::Switching);
        Switch { prev, next }
    }

    /// For the trace and the ledger; the former thread is still current.
    #[inline(always)]
    fn note_switch(&mut self, next: *const Thread, reason: Reason, now: u64) {
        // SAFETY: picked, hence alive until its own tail; or the idle thread.
        let next = unsafe { &*next };
        let (from, to) = (self.current().tid(), next.tid());
        let left = reason.left();
        self.trace_at(Event::Switch { from, to, left }, now);
        if to != 0 {
            ledger::run(next, self.id);
        }
    }

    /// Accounts for the current thread, which is about to be left.
    #[inline(always)]
    fn settle_leaving(&mut self, reason: Reason, now: u64) {
        let fair = &self.local.fair;
        self.current_body(|body| {
            body.since_ns = now;
            if reason == Reason::Park {
                // Whoever wakes it may place it on another clock. One that stays ready does not
                // leave this one, unless it is sent away.
                fair.detach(body);
            }
        });
        self.current().counters.running_since_ns.store(0, Relaxed);
        self.count_switch(reason);
    }

    #[inline(always)]
    fn count_switch(&mut self, reason: Reason) {
        let (mine, threads) = match reason {
            Reason::Preempt => (
                &self.cpu.stats.involuntary,
                &self.current().counters.involuntary,
            ),
            _ => (
                &self.cpu.stats.voluntary,
                &self.current().counters.voluntary,
            ),
        };
        bump(mine, 1);
        bump(threads, 1);
    }

    /// Accounts for the thread that has just become current.
    #[inline(always)]
    fn enter(&mut self, now: u64) {
        if self.local.is_idle() {
            return self.enter_idle(now);
        }
        self.cpu.time.go_on(now, TimeClass::System);
        self.publish_running_priority();
        let hints = &self.cpu.shared.hints;
        let id = self.current().id();
        hints
            .current
            .store(u64::from(id.tid) << 32 | u64::from(id.generation), Relaxed);
        let here = self.id;
        let (waited, waited_here, moved) = self.current_body(|body| {
            hints.running_weight.store(body.share.weight(), Relaxed);
            let moved = body.ran_on.replace(here);
            if moved != Some(here) {
                body.arrived_ns = now;
            }
            let moved = moved.filter(|&cpu| cpu != here);
            body.stolen = false;
            body.share.served = false;
            let since = |then| now.saturating_sub(then);
            (since(body.since_ns), since(body.queued_ns), moved)
        });
        let counters = &self.current().counters;
        counters.running_since_ns.store(now, Relaxed);
        bump(&counters.wait_ns, waited);
        bump(&self.cpu.stats.wait_ns, waited);
        if let Some(from) = moved {
            self.note_migration(from);
        }
        self.check_placement(waited_here, now);
    }

    #[inline(never)]
    fn note_migration(&mut self, from: CpuId) {
        let (tid, from) = (self.current().tid(), from.into());
        bump(&self.current().counters.migrations, 1);
        bump(&self.cpu.stats.migrations, 1);
        self.trace(Event::Migrate { tid, from });
    }

    fn enter_idle(&mut self, now: u64) {
        self.cpu.time.go_on(now, TimeClass::Idle);
        self.publish_priority();
        let hints = &self.cpu.shared.hints;
        hints.current.store(0, Relaxed);
        hints.running_weight.store(0, Relaxed);
        bump(&self.cpu.stats.idles, 1);
    }

    /// Settles the thread that was switched away from: its context is saved now.
    #[inline(always)]
    pub fn run_tail(&mut self) {
        self.goes_on_at(self.local.charged_ns);
        let tail = core::mem::replace(&mut self.local.tail, Tail::None);
        let misplaced = core::mem::take(&mut self.local.misplaced);
        if let Tail::Park(prev) | Tail::Requeue(prev) | Tail::Bury(prev) = tail {
            self.race_point(RacePoint::Tail);
            // SAFETY: not published yet, so alive.
            ledger::leave(unsafe { &*prev }, self.id);
        }
        match tail {
            Tail::None => {}
            Tail::Park(prev) => {
                // SAFETY: alive: a PARKING thread ends only after it was woken and ran again.
                if unsafe { &*prev }.state.finish_park() == Parked::Woken {
                    // SAFETY: the transition to READY gave the thread to this CPU.
                    let held = unsafe { Held::assume(prev) };
                    self.requeue_woken(held);
                }
            }
            Tail::Requeue(prev) => {
                // SAFETY: still RUNNING, and this CPU's.
                let left = unsafe { &*prev }.state.requeue();
                // SAFETY: the transition to READY gave the thread to this CPU.
                let held = unsafe { Held::assume(prev) };
                match misplaced {
                    true => self.move_on(held),
                    false => self.requeue(held, left.control()),
                }
            }
            Tail::Bury(prev) => self.bury(prev),
        }
        self.leave();
    }

    /// Queues the thread that just left this CPU, still placed on its clock. `changed`: so have its
    /// parameters.
    #[inline(always)]
    pub fn requeue(&mut self, thread: Held, changed: bool) {
        if changed {
            self.settle_here(&thread);
        }
        if !self.may_keep(&thread) {
            return self.send_away(thread);
        }
        let in_front = thread.body(|body| body.begin_turn());
        self.queue(thread, in_front);
    }

    /// The same for one that was woken before it slept.
    #[inline(never)]
    fn requeue_woken(&mut self, thread: Held) {
        thread.body(|body| body.goes_last = true);
        let changed = thread.state.load().control();
        self.requeue(thread, changed);
    }

    /// Publishes the end of a thread: its stack is free.
    #[inline(never)]
    fn bury(&mut self, thread: *const Thread) {
        // SAFETY: registered, hence alive, until the reaper has taken it off the graveyard.
        let dead = unsafe { &*thread };
        dead.state.die();
        self.race_point(RacePoint::Ending);
        dead.joiners.close(|joiner| self.wake(joiner));
        // SAFETY: it will never be ready again, so its link is free.
        if unsafe { self.sched.graveyard.push(thread) } {
            self.wake_reaper();
        }
    }

    pub fn wake_reaper(&mut self) {
        let sched = self.sched;
        if let Some(reaper) = sched.reaper.get() {
            self.wake(reaper);
        }
    }

    /// Makes a blocked thread ready and sends it on its way, or leaves it the wake token.
    pub fn wake(&mut self, thread: &Thread) {
        if thread.state.wake() != Wake::Won {
            return;
        }
        // SAFETY: the transition from BLOCKED gave the thread to this CPU.
        let held = unsafe { Held::assume(ptr::from_ref(thread)) };
        let now = self.now();
        held.body(|body| {
            body.slept_ns = now.saturating_sub(body.since_ns);
            body.demand.slept(body.slept_ns);
            body.since_ns = now;
        });
        self.race_point(RacePoint::Woken);
        bump(&self.cpu.stats.wakes, 1);
        if self.dispatch(held, NEED) {
            bump(&self.cpu.stats.local_wakes, 1);
        }
    }
}
