//! The way between user mode and the kernel, as a CPU's exception paths see it: time to account for
//! and one question to ask, without going through the scheduler.

use percpu::CpuId;

use crate::account::TimeClass;
use crate::cpu::{Cpu, Local};
use crate::platform::Platform;
use crate::scheduler::Scheduler;

/// One CPU's. Used by that CPU only, IRQs masked, outside any action of the scheduler.
#[derive(Clone, Copy)]
pub struct Doorway(&'static Cpu);

// SAFETY: used by its own CPU alone, as the methods ask.
unsafe impl Send for Doorway {}

impl<P: Platform> Scheduler<P> {
    /// The doorway of `cpu`.
    pub fn doorway(&'static self, cpu: CpuId) -> Doorway {
        Doorway(&self.cpus[cpu.index()])
    }
}

impl Doorway {
    /// The CPU has come from user mode, and the clock shows `now_ns`.
    ///
    /// # Safety
    /// Called by its CPU, IRQs masked.
    #[inline(always)]
    pub unsafe fn enter_kernel(self, now_ns: u64) {
        let (from, to) = (TimeClass::User, TimeClass::System);
        self.0.time.change_from(from, now_ns, to);
        // SAFETY: says the caller.
        let counters = unsafe { &(*self.local().current()).counters };
        counters.user.end(now_ns);
    }

    /// The CPU is about to enter user mode from system time.
    ///
    /// # Safety
    /// As for [`enter_kernel`](Self::enter_kernel).
    #[inline(always)]
    pub unsafe fn enter_user(self, now_ns: u64) {
        let (from, to) = (TimeClass::System, TimeClass::User);
        self.0.time.change_from(from, now_ns, to);
        // SAFETY: says the caller.
        let counters = unsafe { &(*self.local().current()).counters };
        counters.user.begin(now_ns);
    }

    /// Whether [`preempt_if_needed`](crate::preempt_if_needed) has something to look at.
    ///
    /// # Safety
    /// As for [`enter_kernel`](Self::enter_kernel).
    #[inline(always)]
    pub unsafe fn is_wanted(self) -> bool {
        // SAFETY: says the caller.
        let needed = unsafe { self.local().need };
        needed | self.0.shared.control.is_requested()
    }

    /// # Safety
    /// As for [`enter_kernel`](Self::enter_kernel): then no `Owner` exists on this CPU.
    #[inline(always)]
    unsafe fn local(self) -> &'static Local {
        // SAFETY: says the caller.
        unsafe { &*self.0.local.get() }
    }
}
