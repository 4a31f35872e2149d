//! The standby region: what the heap serves from while no frame is to be had.
//!
//! That is before [`crate::frame::init`], and when memory is out. Much of the kernel allocates
//! where it could not give an error; the region carries it over until the gates (see
//! [`crate::frame::is_scarce`]), which close while much of it is handed out, have let memory come
//! back. A little of it may stay handed out for good: what was made while frames were short, or
//! too scattered for a large block, may live as long as the kernel.
//! A search of its lists may be linear: it is small and hardly ever used.

use crate::lock::SpinLock;
use buddy_system_allocator::Heap;
use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const SIZE: usize = 256 << 10;
const ORDERS: usize = SIZE.ilog2() as usize + 1;

#[repr(C, align(4096))]
struct Region(UnsafeCell<[u8; SIZE]>);

// SAFETY: only `HEAP` hands out its parts, each to one owner.
unsafe impl Sync for Region {}

static REGION: Region = Region(UnsafeCell::new([0; SIZE]));
static HEAP: SpinLock<Heap<ORDERS>> = SpinLock::new(Heap::new());
static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// Bytes handed out.
pub fn in_use() -> usize {
    IN_USE.load(Relaxed)
}

/// Whether so much is handed out that the rest might not carry the kernel over the next shortage.
pub fn is_strained() -> bool {
    in_use() > SIZE / 2
}

/// Whether an object of the heap lies in the region.
#[inline]
pub fn contains(pointer: *mut u8) -> bool {
    pointer.addr().wrapping_sub(REGION.0.get().addr()) < SIZE
}

/// A block of `size` bytes, a power of two or rounded up to one and aligned to it; null if there
/// is none.
#[cold]
pub fn take(size: usize) -> *mut u8 {
    let mut heap = HEAP.lock();
    if heap.stats_total_bytes() == 0 {
        // SAFETY: the region is this heap's alone, for good, and is added once.
        unsafe { heap.init(REGION.0.get() as usize, SIZE) };
    }
    let block = layout(size).and_then(|layout| heap.alloc(layout).ok());
    IN_USE.store(heap.stats_alloc_actual(), Relaxed);
    block.map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// Gives back a block that [`take`] gave for the same size.
#[cold]
pub fn give(pointer: *mut u8, size: usize) {
    let (Some(block), Some(layout)) = (NonNull::new(pointer), layout(size)) else {
        return;
    };
    let mut heap = HEAP.lock();
    // SAFETY: the caller gives up the block, which came from this heap with this layout.
    unsafe { heap.dealloc(block, layout) };
    IN_USE.store(heap.stats_alloc_actual(), Relaxed);
}

/// `None` for what could never fit.
fn layout(size: usize) -> Option<Layout> {
    let fits = size <= SIZE;
    fits.then(|| Layout::from_size_align(size, 1).ok())?
}
