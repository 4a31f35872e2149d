//! What a CPU does when it has nothing to do.
//!
//! IRQs stay masked from the last look to the `wfi`: an interrupt that comes between ends the
//! wait at once (Arm ARM D1.6.2), so that no wake is slept through.

use core::sync::atomic::Ordering::Relaxed;

use crate::chaos::RacePoint;
use crate::held::Held;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::scheduler::Scheduler;
use crate::switch::Reason;
use crate::sync::{Ordering, fence, mutate};

impl<P: Platform> Scheduler<P> {
    /// One round of the idle loop: run what there is, else wait for an interrupt. IRQs masked,
    /// on the idle thread.
    pub(crate) fn idle_round(&self) {
        self.idle_look();
        if self.begin_wait() {
            self.platform.wait_for_interrupt();
            self.end_wait();
        } else if self.leave_for_good() {
            self.platform.power_off();
            self.come_back(); // it was refused
        }
        self.platform.irq_window();
    }

    /// Runs what there is; returns when the idle thread runs (again). IRQs masked. The parts of
    /// the idle loop are public for simulators, whose switch and wait return at once.
    pub fn idle_look(&self) {
        self.reschedule(Reason::Idle);
    }

    /// Commits to waiting for an interrupt, right after a look; false: look again. IRQs masked.
    #[must_use = "do not wait after false"]
    pub fn begin_wait(&self) -> bool {
        self.with_owner(|owner| owner.prepare_sleep())
    }

    /// The wait is over. IRQs masked.
    pub fn end_wait(&self) {
        self.with_owner(|owner| {
            owner.cpu.shared.hints.asleep_since_ns.store(0, Relaxed);
            owner.cpu.shared.control.end_sleep();
        });
    }
}

impl<P: Platform> Owner<'_, P> {
    /// Searches elsewhere for the next thread, once in each idle period: the CPU counts as idle
    /// before it looks, so that whoever has surplus later tells it.
    #[inline(never)]
    pub fn look_elsewhere(&mut self) -> Option<Held> {
        let sched = self.sched;
        let kicked = core::mem::take(&mut self.local.kicked);
        if sched.cpus.len() == 1 || !kicked && sched.idle.contains(&sched.map, self.id) {
            return None;
        }
        let early = mutate("look_before_idle", false, true);
        if early && let Some(next) = self.steal_next() {
            return Some(next);
        }
        sched.idle.insert(&sched.map, self.id);
        self.race_point(RacePoint::Idling);
        // Pairs with the fence of `tell_of_surplus`: either who shows surplus sees this idle bit, or
        // this CPU sees the offer now.
        if mutate("idle_fence", true, false) {
            fence(Ordering::SeqCst);
        }
        if !early && let Some(next) = self.steal_next() {
            sched.idle.remove(&sched.map, self.id);
            return Some(next);
        }
        self.ask_when_idle();
        None
    }

    fn steal_next(&mut self) -> Option<Held> {
        while self.steal() {
            // What was stolen may have had to go on elsewhere.
            let next = self.pick();
            if next.is_some() {
                return next;
            }
        }
        None
    }

    /// Commits to waiting, unless there is something to do after all.
    pub fn prepare_sleep(&mut self) -> bool {
        let requested = self.cpu.shared.control.is_requested();
        if self.local.waiting() > 0 || requested || self.local.leaving {
            return false;
        }
        self.program_timer_exactly();
        self.race_point(RacePoint::FallingAsleep);
        let since = &self.cpu.shared.hints.asleep_since_ns;
        since.store(self.sched.platform.now_ns().max(1), Relaxed);
        let asleep = self.cpu.shared.control.try_sleep();
        if !asleep {
            since.store(0, Relaxed);
        }
        asleep
    }
}
