//! Changing a thread's parameters from anywhere, while it runs, waits, sleeps or moves.
//!
//! The new value is stored, then CONTROL is set in the state word. The word that comes back says
//! where the thread was at that moment; if it was on a CPU, its control node is sent there. From
//! then on whoever moves the thread sees CONTROL, so the node need not chase it for safety: it is
//! forwarded only so that the change takes effect at once.

use alloc::sync::Arc;

use percpu::CpuId;

use crate::control_word::{NEED, WORK};
use crate::held::Held;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::sync::{Ordering, mutate};
use crate::thread::{Phase, ThreadRef};

/// Reads the parameters of a held thread again.
pub(crate) fn settle(thread: &Held) {
    // First clear, then read: a change that comes between sets CONTROL again.
    thread.state.clear_control();
    let (policy, nice) = (thread.policy(), thread.nice());
    thread.body(|body| body.settle(policy, nice));
}

impl<P: Platform> Owner<'_, P> {
    /// Makes changed parameters known. They were stored before.
    pub fn announce_change(&mut self, thread: &ThreadRef) {
        let before = match mutate("control_by_load", false, true) {
            false => thread.state.request_control(),
            true => {
                let before = thread.state.load();
                let _ = thread.state.request_control();
                before
            }
        };
        self.post_control(thread, before.phase(), before.home());
    }

    fn post_control(&mut self, thread: &ThreadRef, phase: Phase, home: CpuId) {
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

    /// The running thread's parameters changed. If it must leave, CONTROL stays set for the tail.
    fn change_running(&mut self) {
        if self.must_leave() {
            return self.set_need(true);
        }
        let thread = self.current();
        thread.state.clear_control();
        let (policy, nice) = (thread.policy(), thread.nice());
        self.current_body(|body| body.settle(policy, nice));
        // An affinity stored between the two looks sets CONTROL, and a node follows it.
        let leave = !self.current().may_run_on(self.id);
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
        let Some(held) = self.unlink(thread) else {
            return;
        };
        settle(&held);
        if held.may_run_on(self.id) {
            self.queue(held, false);
        } else {
            self.send_away(held);
        }
    }
}
