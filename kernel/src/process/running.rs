//! Which task runs on this CPU, and what changes with it: address space, TLS, FP/SIMD.
//!
//! A thread finds its task by its kernel stack ([`arch::owner`]), which takes no interrupt mask.

#[cfg(target_os = "none")]
use super::rseq;
use super::task::{Attention, Task};
use crate::arch;
use alloc::sync::Arc;
#[cfg(target_os = "none")]
use percpu::IrqGuard;

/// The current task, if any, without touching its reference count.
#[inline(always)]
fn borrowed<'a>() -> Option<&'a Task> {
    let task: *const Task = core::ptr::with_exposed_provenance(arch::owner());
    // SAFETY: set by this thread in `adopt`; the thread's extension keeps the task alive until the
    // thread is dead. The callers use it only as long as they run.
    unsafe { task.as_ref() }
}

/// The calling thread's own reference to its task: on the machine it borrows the one that the
/// thread's extension keeps for as long as the thread runs, and counts nothing.
#[cfg(target_os = "none")]
pub type Own = core::mem::ManuallyDrop<Arc<Task>>;
#[cfg(not(target_os = "none"))]
pub type Own = Arc<Task>;

/// The calling thread's task; `None` in kernel threads. The result must stay in this thread.
#[cfg(target_os = "none")]
#[inline(always)]
pub fn task() -> Option<Own> {
    // SAFETY: the pointer came from an `Arc` that outlives the running thread; never dropping this
    // one keeps the count as it is.
    borrowed().map(|task| core::mem::ManuallyDrop::new(unsafe { Arc::from_raw(task) }))
}

/// On the host nobody switches: the scheduler's own record is asked.
#[cfg(not(target_os = "none"))]
pub fn task() -> Option<Own> {
    smp::current().extension::<Task>()
}

/// A new user thread's first step: its kernel stack is its task's from now on. Until then it counts
/// as a kernel thread.
#[cfg(target_os = "none")]
pub fn adopt() {
    let Some(task) = smp::current().extension::<Task>() else {
        return;
    };
    let masked = percpu::irq::mask();
    arch::set_owner(Arc::as_ptr(&task).expose_provenance());
    enter(None, &task, &masked);
}

/// The calling thread's attention; nothing in kernel threads.
#[inline]
pub fn attention_of_current() -> Attention {
    borrowed().map_or(Attention::empty(), Task::attention)
}

/// Whether the calling user thread has nothing to attend to.
///
/// # Safety
/// In a user thread.
#[cfg(target_os = "none")]
#[inline(always)]
pub unsafe fn is_undisturbed() -> bool {
    // SAFETY: says the caller.
    unsafe { borrowed().unwrap_unchecked() }
        .attention()
        .is_empty()
}

/// This CPU leaves the running thread for the one whose stack pointer is `next_sp`. IRQs masked.
#[cfg(target_os = "none")]
#[inline(always)]
pub fn before_switch(next_sp: usize) {
    // SAFETY: IRQs are masked until the switch.
    let masked = &*unsafe { IrqGuard::assume() };
    let prev = borrowed();
    if let Some(task) = prev {
        task.user.switch_out(masked);
        rseq::leaves_cpu(task);
    }
    let next: *const Task = core::ptr::with_exposed_provenance(arch::owner_of(next_sp));
    // SAFETY: as in `borrowed`: `next` is alive, and so is its task.
    match unsafe { next.as_ref() } {
        Some(task) => enter(prev, task, masked),
        None => mm::space::deactivate(),
    }
}

/// The CPU turns to `task`; `prev`, if any, is what it has been running.
#[cfg(target_os = "none")]
#[inline(always)]
fn enter(prev: Option<&Task>, task: &Task, masked: &IrqGuard) {
    // Threads of one process share its memory, which is in place if one of them has been running.
    if !prev.is_some_and(|prev| Arc::ptr_eq(prev.process(), task.process())) {
        task.process().activate_memory();
    }
    task.user.switch_in(masked);
    rseq::enters_cpu(task);
}

/// Runs `work`, which an interrupt or a fault does to the calling user thread.
#[cfg(target_os = "none")]
#[inline(always)]
pub fn interrupted<R>(work: impl FnOnce() -> R) -> R {
    let mark = |begins| {
        if let Some(task) = borrowed() {
            rseq::interrupt(task, begins);
        }
    };
    mark(true);
    let result = work();
    mark(false);
    result
}
