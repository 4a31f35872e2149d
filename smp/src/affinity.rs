//! Changing a thread's parameters from anywhere, while it runs, waits, sleeps or moves.
//!
//! The new value is stored, then CONTROL is set in the state word. The word that comes back says
//! where the thread was at that moment; if it was on a CPU, its control node is sent there. From
//! then on whoever moves the thread sees CONTROL, so the node need not chase it for safety: it is
//! forwarded only so that the change takes effect at once.

use alloc::sync::Arc;

use percpu::CpuId;

use crate::body::Shift;
use crate::chaos::RacePoint;
use crate::control_word::{NEED, WORK};
use crate::held::Held;
use crate::ordered::body_of;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::sync::{Ordering, mutate};
use crate::thread::{Phase, ThreadRef, Waiting};

/// Reads the parameters of a held thread again, which is detached from any clock.
pub(crate) fn settle(thread: &Held) -> Shift {
    // First clear, then read: a change that comes between sets CONTROL again.
    thread.state.clear_control();
    let params = thread.effective_params();
    thread.body(|body| body.settle(params))
}

impl<P: Platform> Owner<'_, P> {
    /// Makes changed parameters known. They were stored before.
    pub fn announce_change(&mut self, thread: &ThreadRef) {
        self.race_point(RacePoint::Changing);
        let before = match mutate("control_by_load", false, true) {
            false => thread.state.request_control(),
            true => {
                let before = thread.state.load();
                let _ = thread.state.request_control();
                before
            }
        };
        self.race_point(RacePoint::Announced);
        if before.phase() == Phase::Running && before.home() == self.id {
            // The caller itself: done before it goes on, even if a node is on its way already.
            return self.change_running();
        }
        self.post_control(thread, before.phase(), before.home());
    }

    pub fn post_control(&mut self, thread: &ThreadRef, phase: Phase, home: CpuId) {
        // A parking or blocked thread is looked at by whoever makes it ready.
        if !matches!(phase, Phase::Running | Phase::Ready) {
            return;
        }
        // Who finds the flag set relies on the handler: it clears the flag, then looks.
        if thread.control_posted.swap(true, Ordering::AcqRel) {
            return;
        }
        let node = Arc::into_raw(thread.0.clone());
        let shared = &self.sched.cpus[home.index()].shared;
        // SAFETY: the flag was clear, so the node is on no stack; the reference keeps it alive.
        unsafe { shared.controls.push(node) };
        self.ring(home, WORK | NEED);
        if home == self.id {
            self.serve_requests();
        }
    }

    /// A control node arrived here.
    pub fn handle_control(&mut self, thread: ThreadRef) {
        thread.control_posted.swap(false, Ordering::AcqRel);
        let state = thread.state.load();
        if !state.control() {
            return;
        }
        if state.home() != self.id {
            return self.post_control(&thread, state.phase(), state.home());
        }
        match state.phase() {
            Phase::Running => self.change_running(),
            Phase::Ready => self.change_waiting(&thread),
            _ => {}
        }
    }

    /// [`settle`] for a held thread that is placed on this CPU's clock.
    #[inline(never)]
    pub fn settle_here(&self, thread: &Held) -> Shift {
        thread.body(|body| self.local.fair.detach(body));
        let shift = settle(thread);
        thread.body(|body| self.local.fair.rejoin(body));
        shift
    }

    /// The running thread's parameters changed. If it must leave, CONTROL stays set for the tail.
    fn change_running(&mut self) {
        if self.must_leave() {
            return self.set_need(true);
        }
        self.charge();
        self.current().state.clear_control();
        let params = self.current().effective_params();
        let fair = &self.local.fair;
        self.current_body(|body| {
            fair.detach(body);
            body.settle_running(params);
            fair.rejoin(body);
        });
        self.publish_priority();
        self.dirty = true;
        // An affinity stored between the two looks sets CONTROL, and a node follows it.
        let leave = !self.may_keep(self.current());
        if leave {
            let _ = self.current().state.request_control();
        }
        if leave || self.better_waits() {
            self.set_need(true);
        }
    }

    /// A waiting thread's parameters changed: queue it anew, or send it where it may run. If it
    /// is neither in a tree nor on the shelf, whoever has it sees CONTROL.
    fn change_waiting(&mut self, thread: &ThreadRef) {
        if self.keeps_its_turn(thread) {
            return;
        }
        let Some(held) = self.unlink(thread) else {
            return;
        };
        let shift = self.settle_here(&held);
        if self.may_keep(&held) {
            // sched(7): raised, behind its new equals; lowered, before them.
            self.admit(held, shift == Shift::Lowered);
        } else {
            self.send_away(held);
        }
    }

    /// Settles a waiting real-time thread whose priority did not change without moving it in its
    /// list; false if it must be queued anew.
    fn keeps_its_turn(&mut self, thread: &ThreadRef) -> bool {
        let Some(Waiting::Realtime(priority)) = thread.waiting(self.id) else {
            return false;
        };
        // First clear, then read, as in `settle`.
        thread.state.clear_control();
        let params = thread.effective_params();
        let keeps = params.priority() == priority && thread.may_run_on(self.id);
        if keeps {
            body_of(thread, |body| {
                let _ = body.settle(params);
            });
            self.local.realtime.look_again(thread);
            self.dirty = true;
        }
        keeps
    }
}
