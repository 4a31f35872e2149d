//! Which task runs on this CPU, and what changes with it: address space, TLS, FP/SIMD.

use super::task::{Attention, Task};
use alloc::sync::Arc;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use percpu::{Pinned, cpu_local};

cpu_local! {
    /// The task of the thread on this CPU; null for kernel threads. The thread's extension holds
    /// the reference that keeps it alive.
    static TASK: AtomicPtr<Task> = AtomicPtr::new(ptr::null_mut());
}

/// Runs `action` on the current task, if any, without touching its reference count.
fn with<R>(pinned: &Pinned, action: impl FnOnce(&Task) -> R) -> Option<R> {
    let task = TASK.get(pinned).load(Ordering::Relaxed);
    // SAFETY: set by the switch to this thread, whose extension keeps the task alive at least
    // until the thread is dead; the caller is pinned, so it is still this thread.
    unsafe { task.as_ref() }.map(action)
}

/// The calling thread's task; `None` in kernel threads.
#[cfg(target_os = "none")]
pub fn task() -> Option<Arc<Task>> {
    let pinned = percpu::irq::mask();
    let task = TASK.get(&pinned).load(Ordering::Relaxed);
    if task.is_null() {
        return None;
    }
    // SAFETY: the pointer came from an `Arc` that is alive, as in `with`.
    unsafe {
        Arc::increment_strong_count(task);
        Some(Arc::from_raw(task))
    }
}

/// On the host nobody switches: the scheduler's own record is asked.
#[cfg(not(target_os = "none"))]
pub fn task() -> Option<Arc<Task>> {
    smp::current().extension::<Task>()
}

/// The calling thread's attention; nothing in kernel threads.
pub fn attention_of_current() -> Attention {
    let pinned = percpu::irq::mask();
    with(&pinned, Task::attention).unwrap_or(Attention::empty())
}

/// The last step before user mode, IRQs masked: the FP/SIMD registers are the thread's own.
pub fn restore_user_registers() {
    let pinned = percpu::irq::mask();
    with(&pinned, |task| task.user.before_user_return(&pinned));
}

/// This CPU leaves thread `_prev` for `next`. IRQs masked.
pub fn before_switch(_prev: &smp::Thread, next: &smp::Thread) {
    let pinned = percpu::irq::mask();
    with(&pinned, |task| task.user.switch_out(&pinned));
    let next = next.extension::<Task>();
    let pointer = next.as_ref().map_or(ptr::null(), Arc::as_ptr);
    TASK.get(&pinned).store(pointer.cast_mut(), Ordering::Relaxed);
    match &next {
        Some(task) => {
            task.process().activate_memory();
            task.user.switch_in();
        }
        None => mm::space::deactivate(),
    }
}
