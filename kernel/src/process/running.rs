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

/// The calling thread's own reference to its task: on the machine it borrows the one that the
/// thread's extension keeps for as long as the thread runs, and counts nothing.
#[cfg(target_os = "none")]
pub type Own = core::mem::ManuallyDrop<Arc<Task>>;
#[cfg(not(target_os = "none"))]
pub type Own = Arc<Task>;

/// The calling thread's task; `None` in kernel threads. The result must stay in this thread.
#[cfg(target_os = "none")]
pub fn task() -> Option<Own> {
    let pinned = percpu::irq::mask();
    let task = TASK.get(&pinned).load(Ordering::Relaxed);
    // SAFETY: the pointer came from an `Arc` that outlives the running thread, as in `with`; never
    // dropping this one keeps the count as it is.
    (!task.is_null()).then(|| core::mem::ManuallyDrop::new(unsafe { Arc::from_raw(task) }))
}

/// On the host nobody switches: the scheduler's own record is asked.
#[cfg(not(target_os = "none"))]
pub fn task() -> Option<Own> {
    smp::current().extension::<Task>()
}

/// The calling thread's attention; nothing in kernel threads.
pub fn attention_of_current() -> Attention {
    let pinned = percpu::irq::mask();
    with(&pinned, Task::attention).unwrap_or(Attention::empty())
}

/// With IRQs masked and nothing to attend to: makes the FP/SIMD registers the thread's own, the
/// last step before user mode. `false` if there is something.
pub fn ready_for_user() -> bool {
    let pinned = percpu::irq::mask();
    let ready = |task: &Task| {
        let ready = task.attention().is_empty();
        if ready {
            task.user.before_user_return(&pinned);
        }
        ready
    };
    with(&pinned, ready).unwrap_or(true)
}

/// This CPU leaves thread `_prev` for `next`. IRQs masked.
#[cfg(target_os = "none")]
pub fn before_switch(_prev: &smp::Thread, next: &smp::Thread) {
    let pinned = percpu::irq::mask();
    with(&pinned, |task| task.user.switch_out(&pinned));
    let next = next.extension::<Task>();
    let pointer = next.as_ref().map_or(ptr::null(), Arc::as_ptr);
    TASK.get(&pinned)
        .store(pointer.cast_mut(), Ordering::Relaxed);
    match &next {
        Some(task) => {
            task.process().activate_memory();
            task.user.switch_in();
        }
        None => mm::space::deactivate(),
    }
}
