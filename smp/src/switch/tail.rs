//! What becomes of the thread that was switched away from, and of one that is woken.
//!
//! The tail runs on the next thread, when the context of the previous one is saved: only then is
//! the previous thread published as blocked, ready or dead. No waker ever waits for a switch.

use core::ptr;

use crate::chaos::RacePoint;
use crate::checks::ledger;
use crate::control_word::NEED;
use crate::cpu::Tail;
use crate::held::Held;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::state::{Parked, Wake};
use crate::stats::bump;
use crate::thread::Thread;

impl<P: Platform> Owner<'_, P> {
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
                if core::mem::take(&mut self.local.forced) {
                    self.set_need(true); // It may have been the better one.
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
