//! The same for models: a model's thread says which CPU it is, and nothing fires by itself.

use super::Queue;
use crate::spinlock::SpinLock;
use percpu::CpuId;

loom::lazy_static! {
    static ref QUEUES: [SpinLock<Queue>; 2] = [SpinLock::new(Queue::EMPTY), SpinLock::new(Queue::EMPTY)];
}

loom::thread_local! {
    static HERE: std::cell::Cell<usize> = std::cell::Cell::new(0);
}

/// The calling thread is CPU `cpu` from now on.
pub fn become_cpu(cpu: usize) {
    HERE.with(|here| here.set(cpu));
}

/// Which it is.
pub fn cpu() -> usize {
    HERE.with(|here| here.get())
}

pub(super) fn queue_of(cpu: CpuId) -> &'static SpinLock<Queue> {
    &QUEUES[cpu.index()]
}

pub(super) fn home() -> CpuId {
    CpuId::new(cpu())
}

pub(super) fn set_alarm(_deadline_ns: u64) {}
