//! Kernel stacks as the hardware sees them: the first frame of a new thread, and the stack that
//! each CPU falls back to when a thread's overflows.
//!
//! A stack is the upper half of an aligned block of twice its size, the lower half unmapped. So a
//! single bit of SP tells the vectors whether there is still room (`vectors.S`).

use core::arch::asm;
use core::sync::atomic::{AtomicUsize, Ordering};
use percpu::{CpuId, cpu_local};

/// This bit is set in every address of a kernel stack and clear in the guard below it.
pub const STACK_SHIFT: u32 = 15;
pub const STACK_SIZE: usize = 1 << STACK_SHIFT;
const _: () = assert!(2 * STACK_SIZE == smp::STACK_BLOCK);
const _: () = assert!(smp::STACK_TOP_RESERVED == size_of::<[usize; 2]>());
const _: () = assert!(STACK_SIZE == mm::kernel_space::STACK_PAGES * mm::PAGE_SIZE);

/// What `weft_switch` keeps on the stack: x19 to x30.
#[repr(C)]
struct Saved {
    x19: usize,
    x20_to_x29: [usize; 10],
    x30: usize,
}

pub const SAVED_SIZE: usize = size_of::<Saved>();
const _: () = assert!(SAVED_SIZE.is_multiple_of(16));

unsafe extern "C" {
    fn weft_switch(save_sp: *mut usize, next_sp: usize);
    fn weft_thread_start();
}

/// The last word of the running stack, above the scheduler's ([`smp::STACK_TOP_RESERVED`]): the user
/// thread that the stack belongs to, 0 for none. It takes no interrupt mask to read: wherever the
/// thread runs, its stack is its own.
#[inline(always)]
pub fn owner() -> usize {
    owner_of(own_sp())
}

/// The same for the thread whose saved stack pointer is `sp`.
#[inline(always)]
pub fn owner_of(sp: usize) -> usize {
    // SAFETY: every stack has the word, from before its first use.
    unsafe { owner_word(sp).read() }
}

/// Sets the running stack's word, for good.
pub fn set_owner(owner: usize) {
    // SAFETY: as above, and only code on this stack touches it.
    unsafe { owner_word(own_sp()).write(owner) };
}

#[inline(always)]
fn own_sp() -> usize {
    let sp: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    sp
}

#[inline(always)]
fn owner_word(sp: usize) -> *mut usize {
    core::ptr::with_exposed_provenance_mut((sp | (STACK_SIZE - 1)) - (size_of::<usize>() - 1))
}

/// Makes the empty stack that ends at `top` no thread's; returns where it may be used from.
///
/// # Safety
/// The stack is writable and unused.
unsafe fn disown(top: usize) -> usize {
    let below = top - smp::STACK_TOP_RESERVED;
    // SAFETY: the caller's promise.
    unsafe { core::ptr::with_exposed_provenance_mut::<[usize; 2]>(below).write([0; 2]) };
    below
}

/// Prepares an empty stack that ends at `top` so that the first switch to it calls `entry`, IRQs
/// masked. Returns the stack pointer to switch to.
///
/// # Safety
/// `top` is the end of a stack that is writable and unused.
pub unsafe fn prepare(top: usize, entry: extern "C" fn() -> !) -> usize {
    // SAFETY: the caller's promise.
    let sp = unsafe { disown(top) } - SAVED_SIZE;
    let saved = Saved {
        x19: entry as usize,
        x20_to_x29: [0; 10],
        x30: weft_thread_start as *const () as usize,
    };
    // SAFETY: the caller's promise.
    unsafe { core::ptr::with_exposed_provenance_mut::<Saved>(sp).write(saved) };
    sp
}

/// Leaves this thread, its stack pointer stored in `save`, for the one whose is `next`. Returns
/// when somebody switches back, perhaps on another CPU.
///
/// # Safety
/// IRQs are masked; `next` was stored by a switch or made by [`prepare`], and is resumed once.
pub unsafe fn switch(save: &AtomicUsize, next: usize) {
    // SAFETY: the caller's promise; nobody reads `save` before the switch is complete.
    unsafe { weft_switch(save.as_ptr(), next) };
}

/// Calls `visit` with each call that led a thread to the switch that left its stack pointer at
/// `sp`. If it runs again meanwhile, the answer is nonsense, and harmless.
pub fn of_switched_out(sp: usize, visit: impl FnMut(u64)) {
    let record = sp + core::mem::offset_of!(Saved, x30) - size_of::<usize>();
    super::backtrace::from_record(record as u64, visit);
}

cpu_local! {
    /// Where the vectors put SP when the interrupted stack has no room left.
    pub static OVERFLOW_STACK_TOP: AtomicUsize = AtomicUsize::new(0);
}

/// Gives `cpu`, whose per-CPU area exists, its overflow stack, for good.
pub fn init_overflow(cpu: CpuId) -> Result<(), mm::OutOfMemory> {
    let stack = mm::kernel_space::Stack::new()?;
    // SAFETY: the stack is fresh.
    let top = unsafe { disown(stack.top().as_usize()) };
    OVERFLOW_STACK_TOP.remote(cpu).store(top, Ordering::Relaxed);
    core::mem::forget(stack);
    Ok(())
}
