//! A CPU acting on its own behalf: the only way to a CPU's private part.

use percpu::CpuId;

use crate::body::Body;
use crate::chaos::RacePoint;
use crate::control_word::Answer;
use crate::cpu::{Cpu, Local};
use crate::platform::Platform;
use crate::scheduler::Scheduler;
use crate::stats::bump;
use crate::thread::Thread;
use crate::trace::Event;

/// The calling CPU with IRQs masked. One at a time per CPU, never across a switch.
pub(crate) struct Owner<'a, P: Platform> {
    pub sched: &'a Scheduler<P>,
    pub id: CpuId,
    pub cpu: &'a Cpu,
    pub local: &'a mut Local,
    /// The local queue changed: [`leave`](Owner::leave) has something to do.
    pub dirty: bool,
    /// The running thread itself acts, not a handler that interrupted it.
    pub by_thread: bool,
    /// The running thread calls whom it wakes ([`ThreadRef::call`](crate::ThreadRef::call)).
    pub calls: bool,
    /// 0: not read yet.
    now_ns: u64,
}

impl<P: Platform> Scheduler<P> {
    /// Lets the calling CPU act. IRQs masked; `act` must not reach this function again.
    pub(crate) fn with_owner<R>(&self, act: impl FnOnce(&mut Owner<'_, P>) -> R) -> R {
        // SAFETY: IRQs are masked, and it ends with the call.
        act(&mut unsafe { self.owner() })
    }

    /// The calling CPU, to act: where the compiler is to see through the action.
    ///
    /// # Safety
    /// IRQs are masked, there is no other `Owner` on this CPU, and it is gone before the CPU turns
    /// to another thread.
    #[inline(always)]
    pub(crate) unsafe fn owner(&self) -> Owner<'_, P> {
        let id = self.platform.cpu();
        let cpu = &self.cpus[id.index()];
        Owner {
            sched: self,
            id,
            cpu,
            // SAFETY: only the CPU itself comes here, with IRQs masked, so that neither a handler
            // nor another thread can on this CPU; no two at a time, says the caller.
            local: unsafe { &mut *cpu.local.get() },
            dirty: false,
            by_thread: false,
            calls: false,
            now_ns: 0,
        }
    }
}

impl<P: Platform> Owner<'_, P> {
    /// The time, read once per action.
    pub fn now(&mut self) -> u64 {
        if self.now_ns == 0 {
            self.now_ns = self.sched.platform.now_ns();
        }
        self.now_ns
    }

    /// This action belongs to one that read the time as `now_ns` a moment ago.
    pub fn goes_on_at(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Something happened, at the time of this action.
    #[inline(always)]
    pub fn trace(&mut self, event: Event) {
        if self.sched.platform.is_tracing(event.kind()) {
            let now = self.now();
            self.sched.platform.trace(event, now);
        }
    }

    /// The same where the time is at hand.
    #[inline(always)]
    pub fn trace_at(&self, event: Event, now_ns: u64) {
        if self.sched.platform.is_tracing(event.kind()) {
            self.sched.platform.trace(event, now_ns);
        }
    }

    pub fn current(&self) -> &Thread {
        // SAFETY: the current thread of a CPU is alive until its tail has run elsewhere.
        unsafe { &*self.local.current() }
    }

    /// The scheduler's part of the running thread.
    pub fn current_body<R>(&self, access: impl FnOnce(&mut Body) -> R) -> R {
        // SAFETY: a running thread's body belongs to the CPU that runs it.
        self.current()
            .body
            .with_mut(|body| access(unsafe { &mut *body }))
    }

    /// Asks the running thread to give way.
    pub fn set_need(&mut self, need: bool) {
        if self.local.need != need {
            self.local.need = need;
            self.sched.platform.set_need_resched(need);
        }
    }

    /// Asks another CPU for its attention. False when it is off: what was sent there has been
    /// moved on.
    pub fn ring(&mut self, cpu: CpuId, bits: u32) -> bool {
        match self.sched.cpus[cpu.index()].shared.control.request(bits) {
            Answer::Off => {
                self.rescue(cpu);
                return false;
            }
            Answer::Interrupt if cpu != self.id => {
                bump(&self.cpu.stats.ipis_sent, 1);
                let event = Event::IpiSent {
                    target: cpu.into(),
                    bits,
                };
                self.trace(event);
                self.race_point(RacePoint::Requested);
                self.sched.platform.send_reschedule(cpu);
            }
            Answer::Interrupt | Answer::Noted => {}
        }
        true
    }

    /// Whether a thread may be queued here: it is allowed, and this CPU stays.
    pub fn may_keep(&self, thread: &Thread) -> bool {
        !self.local.leaving && thread.may_run_on(self.id)
    }
}
