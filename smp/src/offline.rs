//! A CPU goes off and comes back.
//!
//! Who takes a CPU off first clears its online bit, so that nothing new is placed there, then
//! sets LEAVING in its control word. The CPU sends away what it runs and queues, reaches its idle
//! thread and exchanges a control word without requests for one with OFF. From then on it has no
//! owner: a sender that was late finds OFF when it rings, after it pushed, and takes the thread
//! back ([`Owner::rescue`]). Any number of rescuers may drain: each drain takes a stack as a whole.
//!
//! Sleepers of the CPU are woken early, as any park may end; timers move when it is off
//! ([`timers::take_over`](crate::timers::take_over)). A thread that may run nowhere else loses its
//! affinity when it is next placed.

use core::sync::atomic::Ordering::Relaxed;

use percpu::CpuId;

use crate::control_word::{LEAVING, NEED, WORK};
use crate::held::Held;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::runtime::Runtime;
use crate::scheduler::Scheduler;
use crate::sync::{Ordering, mutate};
use crate::thread::{Thread, ThreadRef};
use crate::tick::NEVER;

/// Why a CPU stays on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfflineError {
    /// It is the only one online.
    LastCpu,
    /// It is not online.
    NotOnline,
}

impl<P: Platform> Scheduler<P> {
    /// See [`Runtime::begin_offline`].
    pub(crate) fn ask_to_leave(&self, cpu: CpuId) -> Result<(), OfflineError> {
        let online = self.online_cpus();
        if !online.contains(cpu) {
            return Err(OfflineError::NotOnline);
        }
        if online.count() == 1 {
            return Err(OfflineError::LastCpu);
        }
        self.online.remove(&self.map, cpu);
        self.act(|owner| owner.ring(cpu, LEAVING | WORK | NEED));
        Ok(())
    }

    /// Commits to being off, if the calling CPU was asked to go; false: look again. IRQs masked,
    /// on the idle thread. Part of the idle loop, public for simulators.
    #[must_use = "after true the CPU has to stop"]
    pub fn leave_for_good(&self) -> bool {
        self.with_owner(|owner| owner.leave_for_good())
    }

    /// The calling CPU, which was off, takes threads again.
    pub(crate) fn come_back(&self) {
        self.with_owner(|owner| {
            owner.local.leaving = false;
            owner.local.charged_ns = owner.now();
            // Whoever was disturbed and has not run yet.
            owner.local.next_sleeper_ns = owner.cpu.shared.sleepers.next_deadline();
            owner.cpu.time.begin(owner.local.charged_ns);
            owner.cpu.shared.hints.online.store(true, Relaxed);
            owner.cpu.shared.control.come_back();
            self.online.insert(&self.map, owner.id);
        });
    }

    /// Lifts the affinity of a thread that may run on no CPU that is online.
    pub(crate) fn lift_restriction(&self, thread: &Thread) {
        if thread.lift_restriction(&self.online_cpus()) {
            self.unbound.store(true, Relaxed);
        }
    }

    /// Tells people about threads that lost their affinity. Thread context.
    pub(crate) fn tell_unbound(&self) {
        if !self.unbound.swap(false, Relaxed) {
            return;
        }
        let unbound = self.threads().filter(|thread| thread.take_unbound());
        unbound.for_each(|thread| self.platform.affinity_lifted(&thread));
    }
}

impl<P: Platform> Owner<'_, P> {
    /// This CPU is to go off: what it queues goes elsewhere, and what it runs at the next chance.
    pub fn begin_leaving(&mut self) {
        if core::mem::replace(&mut self.local.leaving, true) {
            return;
        }
        self.dirty = true;
        self.sched.idle.remove(&self.sched.map, self.id);
        if mutate("queue_stays", true, false) {
            while let Some(thread) = self.take_any() {
                self.send_away(thread);
            }
        }
        if !self.local.is_idle() {
            self.set_need(true);
        }
    }

    fn take_any(&mut self) -> Option<Held> {
        let urgent = self.local.realtime.pop();
        urgent.or_else(|| self.local.fair.pop(&self.cpu.shared.shelf))
    }

    fn leave_for_good(&mut self) -> bool {
        if !self.local.leaving || !self.local.is_idle() {
            return false;
        }
        self.serve_requests();
        let cpu = self.cpu;
        cpu.shared.sleepers.disturb(|thread| self.wake(thread));
        // The last request may have been a kick, meant to make an idle CPU look for surplus.
        if mutate("kick_dies_with_the_cpu", true, false) {
            self.kick_idle(self.id, true);
        }
        if !cpu.shared.control.try_leave() {
            return false;
        }
        self.local.next_sleeper_ns = NEVER;
        self.local.next_timer_ns = NEVER;
        self.local.armed_ns = NEVER;
        self.sched.platform.set_timer(None);
        cpu.time.end(self.now());
        cpu.shared.hints.nr_ready.store(0, Relaxed);
        cpu.shared.hints.online.store(false, Relaxed);
        true
    }

    /// Moves on what was sent to a CPU that is off.
    pub fn rescue(&mut self, cpu: CpuId) {
        let shared = &self.sched.cpus[cpu.index()].shared;
        self.sched.posted.remove(&self.sched.map, cpu);
        // As in `drain`: a thread whose control is here has been sent on when it is handled.
        let controls = shared.controls.drain();
        for thread in shared.inbox.drain() {
            // SAFETY: whoever pushed it held it and gave it up; the drain took it for this CPU.
            self.dispatch(unsafe { Held::assume(thread) }, NEED);
        }
        for thread in controls {
            // SAFETY: the reference that was pushed with the control.
            self.forward_control(unsafe { ThreadRef::from_raw(thread) });
        }
    }

    /// A control that reached a CPU that is off follows the thread. A thread whose home is off is
    /// in somebody's hands, who sees CONTROL when giving it a new one.
    fn forward_control(&mut self, thread: ThreadRef) {
        thread.control_posted.swap(false, Ordering::AcqRel);
        let state = thread.state.load();
        let home = &self.sched.cpus[state.home().index()].shared;
        if state.control() && !home.control.is_off() {
            self.post_control(&thread, state.phase(), state.home());
        }
    }
}
