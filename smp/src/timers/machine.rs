//! The queues, and the hardware timer behind the scheduler's back.

use super::Queue;
use crate::runtime::runtime;
use crate::spinlock::SpinLock;
use percpu::{CpuId, cpu_local};

cpu_local! {
    static QUEUE: SpinLock<Queue> = SpinLock::new(Queue::EMPTY);
}

pub(super) fn queue_of(cpu: CpuId) -> &'static SpinLock<Queue> {
    QUEUE.remote(cpu)
}

/// Whose queue this thread arms on. Interrupts are masked (`arming` is held).
pub(super) fn home() -> CpuId {
    // The host has one alarm clock for all its threads.
    if cfg!(target_os = "none") {
        percpu::cpu_id()
    } else {
        CpuId::BOOT
    }
}

/// The calling CPU's next timer is due at `deadline_ns`.
pub(super) fn set_alarm(deadline_ns: u64) {
    runtime().set_timer_deadline(Some(deadline_ns));
}
