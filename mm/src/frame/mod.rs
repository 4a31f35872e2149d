//! Physical page frames: who owns them and how they are handed out.
//!
//! [`Frame`] is one frame owned by one holder; [`FrameRef`] shares it by a count in the frame
//! array (page tables hold counts too); [`Block`] is a power-of-two run for DMA and big buffers.
//! Allocation never sleeps and may be called with IRQs masked. Frames come from a per-CPU cache,
//! the depot, or the buddy lists, in this order.

pub(crate) mod array;
mod boot;
mod buddy;
mod cache;
mod owned;

use crate::OutOfMemory;
use crate::addr::{FrameNumber, PhysAddr};
use crate::{arch, phys_map};
use cache::Purpose;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use spin::Once;

pub use cache::leave_cpu;
pub use owned::{Block, Frame, FrameRef};

/// The largest block has `1 << MAX_ORDER` frames: 16 MiB.
pub const MAX_ORDER: usize = buddy::ORDERS - 1;

static TOTAL: AtomicUsize = AtomicUsize::new(0);

/// Hands the machine's memory over: all `regions` of RAM, less `reserved` (kernel image, device
/// tree, initrd, firmware). The frame array is placed in the largest gap.
///
/// # Safety
/// Called once, before any other function of this crate; the regions are RAM that the linear map
/// reaches, do not overlap, and nobody uses them outside `reserved`.
pub unsafe fn init(regions: &[Range<PhysAddr>], reserved: &[Range<PhysAddr>]) {
    let mut buddy = cache::BUDDY.lock();
    // SAFETY: as asked of the caller.
    let total = unsafe {
        boot::build(regions, reserved, |run| {
            buddy.give_range(run.start, run.end)
        })
    };
    drop(buddy);
    TOTAL.store(total, Relaxed);
    // Enough for the kernel's own structures while user programs are told that memory is out.
    cache::set_reserve((total / 64).clamp(16, 4096));
}

/// Gives reserved memory back once it is no longer read (the initrd).
///
/// # Safety
/// `range` was reserved at [`init`] and nobody refers to the frames it lies on any more.
pub unsafe fn release_reserved(range: Range<PhysAddr>) {
    let frames = boot::outer_frames(&range);
    for frame in frames.map(FrameNumber) {
        if array::find(frame).is_some() {
            cache::BUDDY.lock().give(frame, 0);
        }
    }
}

/// Starts the depot that batches of frames move through between CPUs; needs the heap.
pub fn enable_depot() {
    cache::enable_depot();
}

/// One frame (content undefined) for the kernel's own use.
#[inline]
pub fn alloc() -> Result<Frame, OutOfMemory> {
    counted(Purpose::Kernel)
}

/// One frame full of zeros for the kernel's own use.
#[inline]
pub fn alloc_zeroed() -> Result<Frame, OutOfMemory> {
    alloc().map(zeroed)
}

/// One frame (content undefined) on behalf of a user program: fails while the kernel's reserve is
/// still untouched.
#[inline]
pub fn alloc_user() -> Result<Frame, OutOfMemory> {
    counted(Purpose::User)
}

/// As [`alloc_user`], full of zeros.
#[inline]
pub fn alloc_user_zeroed() -> Result<Frame, OutOfMemory> {
    alloc_user().map(zeroed)
}

#[inline]
fn counted(purpose: Purpose) -> Result<Frame, OutOfMemory> {
    let frame = cache::take(purpose).ok_or(OutOfMemory)?;
    array::info(frame).set_counted();
    Ok(Frame::from_counted(frame))
}

#[inline]
fn zeroed(frame: Frame) -> Frame {
    // SAFETY: the frame is ours alone.
    unsafe { arch::zero_page(phys_map::frame_pointer(frame.number())) };
    frame
}

/// `1 << order` contiguous frames, aligned to their size, content undefined.
pub fn alloc_contiguous(order: usize) -> Result<Block, OutOfMemory> {
    take_block(order)
        .map(|first| Block::new(first, order))
        .ok_or(OutOfMemory)
}

/// Uncounted frames, for blocks and the heap.
pub(crate) fn take_block(order: usize) -> Option<FrameNumber> {
    if order > MAX_ORDER {
        return None;
    }
    if order == 0 {
        return cache::take(Purpose::Kernel);
    }
    let first = cache::BUDDY.lock().take(order);
    let first = first.or_else(|| {
        cache::drain();
        cache::BUDDY.lock().take(order)
    });
    cache::update_low();
    first
}

/// Takes back what [`take_block`] gave.
pub(crate) fn give_block(first: FrameNumber, order: usize) {
    match order {
        0 => cache::give(first),
        _ => cache::BUDDY.lock().give(first, order),
    }
}

/// Drops a share of a counted frame; the last one frees it.
#[inline]
pub(crate) fn unshare(frame: FrameNumber) {
    if array::info(frame).unshare() {
        cache::give(frame);
    }
}

/// The page of zeros that every space reads from, and a table without entries; never freed.
pub(crate) fn zero_frame() -> Result<FrameNumber, OutOfMemory> {
    static ZERO: Once<FrameNumber> = Once::new();
    ZERO.try_call_once(|| Ok(alloc_zeroed()?.into_number()))
        .copied()
}

/// Whether only the kernel's reserve is left: to be asked before the kernel allocates on its heap
/// on behalf of a user program, where a failure of the allocation itself would be fatal. One load
/// while there is memory.
#[inline]
pub fn is_out() -> bool {
    !cache::has_spare()
}

/// Whether so little is left that the kernel should refuse what makes it allocate for a user
/// program (processes, files); its own small allocations cannot fail gracefully.
pub fn is_scarce() -> bool {
    cache::is_scarce()
}

/// Frames of RAM, used or not.
pub fn total() -> usize {
    TOTAL.load(Relaxed)
}

/// Free frames now.
pub fn free() -> usize {
    cache::free()
}
