//! The kernel heap: a `#[global_allocator]` over frames.
//!
//! Small requests come from size-class slabs through per-CPU magazines, large ones are blocks of
//! the frame allocator, and while there are no frames both come from a small standby region. Any
//! context: IRQs are masked, nothing sleeps, and when memory is out the answer is null.

mod class;
mod magazine;
mod slab;
pub mod standby;

pub use magazine::leave_cpu;

use crate::addr::PAGE_SIZE;
use crate::{frame, phys_map};
use class::Class;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// `#[global_allocator] static HEAP: mm::KernelHeap = mm::KernelHeap::new();`
///
/// Needs per-CPU data; before [`crate::frame::init`] it has the [`standby`] region only.
pub struct KernelHeap;

/// Frames in slabs and large blocks.
static FRAMES: AtomicUsize = AtomicUsize::new(0);

/// Frames held by the heap.
pub fn frames() -> usize {
    FRAMES.load(Relaxed)
}

/// Where a request is served from.
#[derive(PartialEq, Eq)]
enum Source {
    Slab(Class),
    Block { order: usize },
}

impl Source {
    #[inline]
    fn of(layout: Layout) -> Self {
        match Class::of(layout) {
            Some(class) => Source::Slab(class),
            None => {
                let frames = layout.size().max(layout.align()).div_ceil(PAGE_SIZE).max(1);
                Source::Block {
                    order: frames.next_power_of_two().ilog2() as usize,
                }
            }
        }
    }

    /// Bytes that the request takes up.
    fn size(&self) -> usize {
        match self {
            Source::Slab(class) => class.size(),
            Source::Block { order } => PAGE_SIZE << order,
        }
    }
}

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

// SAFETY: slabs, the frame allocator and the standby region never hand out overlapping memory; class
// sizes and block orders cover size and alignment.
unsafe impl GlobalAlloc for KernelHeap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let source = Source::of(layout);
        let taken = match source {
            Source::Slab(class) => magazine::take(class),
            Source::Block { order } => take_block(order),
        };
        taken.unwrap_or_else(|| standby::take(source.size()))
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match Source::of(layout) {
            source if standby::contains(pointer) => standby::give(pointer, source.size()),
            Source::Slab(class) => magazine::give(class, pointer),
            Source::Block { order } => give_block(pointer, order),
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the size, rounded up, does not overflow.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        if Source::of(layout) == Source::of(new_layout) {
            return pointer;
        }
        // SAFETY: both blocks are as large as said, and they differ.
        unsafe {
            let new = self.alloc(new_layout);
            if !new.is_null() {
                ptr::copy_nonoverlapping(pointer, new, layout.size().min(new_size));
                self.dealloc(pointer, layout);
            }
            new
        }
    }
}

#[cold]
fn take_block(order: usize) -> Option<*mut u8> {
    let first = frame::take_block(order)?;
    FRAMES.fetch_add(1 << order, Relaxed);
    Some(phys_map::frame_pointer(first))
}

#[cold]
fn give_block(pointer: *mut u8, order: usize) {
    FRAMES.fetch_sub(1 << order, Relaxed);
    frame::give_block(phys_map::physical(pointer).frame(), order);
}
