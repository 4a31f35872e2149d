//! Two CPUs that do what a test says, and nothing else.

use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering::Relaxed};

use percpu::{CpuId, CpuSet};

use crate::chaos::{Disturbance, RacePoint};
use crate::control_word::{ControlWord, WORK};
use crate::switch::Reason;
use crate::{
    KernelStack, Platform, Runtime, Scheduler, SpawnError, Thread, ThreadRef, ThreadSpec, Topology,
};

#[derive(Default)]
pub(crate) struct Bench {
    cpu: AtomicUsize,
    now: AtomicU64,
    /// How often the acting CPU is asked for something new while it serves requests.
    pub disturbances: AtomicUsize,
    /// Whom it disturbs.
    pub disturbed: AtomicPtr<ControlWord>,
    /// Interrupts that were sent.
    pub sent: AtomicUsize,
}

impl Platform for Bench {
    fn topology(&self) -> Topology {
        Topology::uniform(2, 2)
    }
    fn cpu(&self) -> CpuId {
        CpuId::new(self.cpu.load(Relaxed))
    }
    fn now_ns(&self) -> u64 {
        self.now.load(Relaxed)
    }
    fn send_reschedule(&self, _cpu: CpuId) {
        self.sent.fetch_add(1, Relaxed);
    }
    fn set_timer(&self, _deadline_ns: Option<u64>) {}
    unsafe fn switch(&self, _prev: &Thread, _next: &Thread) {}
    fn race_point(&self, point: RacePoint) -> Disturbance {
        let left = self.disturbances.load(Relaxed);
        if point == RacePoint::Draining && left > 0 {
            self.disturbances.store(left - 1, Relaxed);
            // SAFETY: of the scheduler that acts, said by `pester`.
            let control = unsafe { &*self.disturbed.load(Relaxed) };
            let _ = control.request(WORK);
        }
        Disturbance::None
    }
    fn new_stack(&self) -> Result<KernelStack, SpawnError> {
        Ok(KernelStack::none())
    }
}

impl Scheduler<Bench> {
    pub(crate) fn on(&self, cpu: usize) -> &Self {
        self.platform.cpu.store(cpu, Relaxed);
        self
    }

    pub(crate) fn pass(&self, ns: u64) {
        self.platform.now.fetch_add(ns, Relaxed);
    }

    pub(crate) fn thread(&self, affinity: CpuSet) -> ThreadRef {
        let spec = ThreadSpec::new("checked", || {}).affinity(affinity);
        self.create(spec).expect("a number is free")
    }

    /// While CPU 0 serves requests there comes a new one, so often.
    pub(crate) fn pester(&self, times: usize) {
        let control = &raw const self.cpus[0].shared.control;
        self.platform.disturbed.store(control.cast_mut(), Relaxed);
        self.platform.disturbances.store(times, Relaxed);
    }

    /// Puts the thread on the calling CPU, whatever anybody else knows of it.
    pub(crate) fn force(&self, thread: &ThreadRef) {
        let switch = self.with_owner(|owner| owner.switch_to(&raw const **thread, Reason::Idle));
        self.perform(switch);
    }
}

/// Two CPUs, both online and idle; CPU 0 acts.
pub(crate) fn bench() -> Scheduler<Bench> {
    let bench = Scheduler::new(Bench::default());
    bench.pass(1000);
    for cpu in [1, 0] {
        bench.on(cpu).cpu_online(CpuId::new(cpu));
    }
    bench
}
