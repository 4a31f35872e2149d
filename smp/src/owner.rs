//! A CPU acting on its own behalf: the only way to a CPU's private part.

use core::sync::atomic::Ordering::Relaxed;

use percpu::CpuId;

use crate::body::Body;
use crate::cpu::{Cpu, Local};
use crate::platform::Platform;
use crate::scheduler::Scheduler;
use crate::thread::Thread;

/// The calling CPU with IRQs masked. One at a time per CPU, never across a switch.
pub(crate) struct Owner<'a, P: Platform> {
    pub sched: &'a Scheduler<P>,
    pub id: CpuId,
    pub cpu: &'a Cpu,
    pub local: &'a mut Local,
    /// The local queue changed: [`leave`](Owner::leave) has something to do.
    pub dirty: bool,
    now_ns: Option<u64>,
}

impl<P: Platform> Scheduler<P> {
    /// Lets the calling CPU act. IRQs masked; `act` must not reach this function again.
    pub(crate) fn with_owner<R>(&self, act: impl FnOnce(&mut Owner<'_, P>) -> R) -> R {
        let id = self.platform.cpu();
        let cpu = &self.cpus[id.index()];
        // SAFETY: only the CPU itself comes here, with IRQs masked, so that neither a handler nor
        // another thread can on this CPU, and no call is nested in another.
        let local = unsafe { &mut *cpu.local.get() };
        act(&mut Owner {
            sched: self,
            id,
            cpu,
            local,
            dirty: false,
            now_ns: None,
        })
    }
}

impl<P: Platform> Owner<'_, P> {
    /// The time, read once per action.
    pub fn now(&mut self) -> u64 {
        let platform = &self.sched.platform;
        *self.now_ns.get_or_insert_with(|| platform.now_ns())
    }

    pub fn current(&self) -> &Thread {
        // SAFETY: the current thread of a CPU is alive until its tail has run elsewhere.
        unsafe { &*self.local.current }
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

    /// Asks another CPU for its attention.
    pub fn ring(&self, cpu: CpuId, bits: u32) {
        if self.sched.cpus[cpu.index()].shared.control.request(bits) && cpu != self.id {
            self.cpu
                .stats
                .ipis_sent
                .store(self.cpu.stats.ipis_sent.load(Relaxed) + 1, Relaxed);
            self.sched.platform.send_reschedule(cpu);
        }
    }
}
