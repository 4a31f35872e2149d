//! The scheduler: one value, all CPUs.

use alloc::vec::Vec;

use percpu::{CpuId, CpuSet};

use crate::account::TimeClass;
use crate::platform::Platform;
use crate::runtime::{Runtime, Unparked};
use crate::stats::CpuStats;
use crate::thread::{AffinityError, Policy, SpawnError, ThreadId, ThreadRef, ThreadSpec};

/// Schedules threads on the CPUs of one [`Platform`].
pub struct Scheduler<P: Platform> {
    platform: P,
}

impl<P: Platform> Scheduler<P> {
    /// A scheduler for the platform's CPUs, all offline. Allocates.
    pub fn new(platform: P) -> Self {
        Self { platform }
    }

    pub fn platform(&self) -> &P {
        &self.platform
    }

    /// Where a brand-new thread's first instruction leads, on its own stack with IRQs masked:
    /// finishes the switch, unmasks IRQs, runs the entry closure, exits.
    pub fn thread_main(&self) -> ! {
        todo!()
    }
}

impl<P: Platform> Runtime for Scheduler<P> {
    fn current(&self) -> ThreadRef {
        todo!()
    }
    fn current_id(&self) -> ThreadId {
        todo!()
    }
    fn park(&self, _deadline_ns: Option<u64>) -> Unparked {
        todo!()
    }
    fn unpark(&self, _thread: &ThreadRef) {
        todo!()
    }
    fn yield_now(&self) {
        todo!()
    }
    fn now_ns(&self) -> u64 {
        self.platform.now_ns()
    }
    fn create(&self, _spec: ThreadSpec) -> Result<ThreadRef, SpawnError> {
        todo!()
    }
    fn start(&self, _thread: &ThreadRef) {
        todo!()
    }
    fn exit(&self) -> ! {
        todo!()
    }
    fn join(&self, _thread: &ThreadRef) {
        todo!()
    }
    fn set_affinity(&self, _thread: &ThreadRef, _set: &CpuSet) -> Result<(), AffinityError> {
        todo!()
    }
    fn set_policy(&self, _thread: &ThreadRef, _policy: Policy) {
        todo!()
    }
    fn threads(&self) -> Vec<ThreadRef> {
        todo!()
    }
    fn find_thread(&self, _tid: u32) -> Option<ThreadRef> {
        todo!()
    }
    fn cpu_stats(&self, _cpu: CpuId) -> CpuStats {
        todo!()
    }
    fn online_cpus(&self) -> CpuSet {
        todo!()
    }
    fn set_timer_deadline(&self, _deadline_ns: Option<u64>) {
        todo!()
    }
    fn enter_class(&self, _class: TimeClass) -> TimeClass {
        todo!()
    }
    fn on_reschedule_ipi(&self) {
        todo!()
    }
    fn on_timer(&self) {
        todo!()
    }
    fn preempt_if_needed(&self) {
        todo!()
    }
    fn cpu_online(&self, _cpu: CpuId) {
        todo!()
    }
    fn run_idle(&self) -> ! {
        todo!()
    }
}
