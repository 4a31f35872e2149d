//! The hardware: one clock, and of each CPU the lines that interrupt it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use smp::chaos::{Disturbance, RacePoint};
use smp::{CpuId, KernelStack, Platform, SpawnError, Thread, Topology};

pub const IPI_LATENCY_NS: u64 = 2_000;

pub struct SimPlatform {
    pub topology: Topology,
    pub here: AtomicUsize,
    pub now: AtomicU64,
    pub lines: Vec<Mutex<Lines>>,
    /// 0: nothing is disturbed.
    pub chaos: AtomicU64,
}

#[derive(Clone, Copy, Default)]
pub struct Lines {
    pub ipi_at: Option<u64>,
    pub timer_at: Option<u64>,
    pub irqs_off: bool,
    pub preemption_off: bool,
}

impl SimPlatform {
    /// From now on the seed decides at which race points the running thread is preempted.
    pub fn disturb(&self, seed: u64) {
        self.chaos.store(seed.max(1), Relaxed);
    }
}

impl SimPlatform {
    pub fn lines(&self, cpu: usize) -> std::sync::MutexGuard<'_, Lines> {
        self.lines[cpu].lock().unwrap()
    }
}

impl Platform for SimPlatform {
    fn topology(&self) -> Topology {
        self.topology.clone()
    }
    fn cpu(&self) -> CpuId {
        CpuId::new(self.here.load(Relaxed))
    }
    fn now_ns(&self) -> u64 {
        self.now.load(Relaxed)
    }
    fn irq_save(&self) -> bool {
        !std::mem::replace(&mut self.lines(self.cpu().index()).irqs_off, true)
    }
    fn irq_restore(&self, were_unmasked: bool) {
        if were_unmasked {
            self.lines(self.cpu().index()).irqs_off = false;
        }
    }
    fn send_reschedule(&self, cpu: CpuId) {
        let disturbed = self.chaos.load(Relaxed) != 0;
        assert!(disturbed || cpu != self.cpu(), "a CPU interrupts itself");
        let at = self.now_ns() + IPI_LATENCY_NS;
        self.lines(cpu.index()).ipi_at.get_or_insert(at);
    }
    fn set_timer(&self, deadline_ns: Option<u64>) {
        self.lines(self.cpu().index()).timer_at = deadline_ns;
    }
    fn wait_for_interrupt(&self) {
        unreachable!("the machine waits by itself");
    }
    fn is_preemptible(&self) -> bool {
        !self.lines(self.cpu().index()).preemption_off
    }
    fn race_point(&self, _point: RacePoint) -> Disturbance {
        let seed = self.chaos.load(Relaxed);
        if seed == 0 {
            return Disturbance::None;
        }
        let mut random = crate::Random(seed);
        let preempts = random.below(8) == 0;
        self.chaos.store(random.0, Relaxed);
        match preempts {
            true => Disturbance::Preempt,
            false => Disturbance::None,
        }
    }
    fn before_switch(&self, prev: &Thread, next: &Thread) {
        assert!(!std::ptr::eq(prev, next), "a switch to itself");
    }
    unsafe fn switch(&self, _prev: &Thread, _next: &Thread) {}
    fn new_stack(&self) -> Result<KernelStack, SpawnError> {
        Ok(KernelStack::none())
    }
}
