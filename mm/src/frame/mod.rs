//! Physical page frames: who owns them and how they are handed out.
//!
//! [`Frame`] is one frame owned by one holder; [`FrameRef`] shares it by a count in the frame
//! array (page tables hold counts too); [`Block`] is a power-of-two run for DMA and big buffers.
//! Allocation never sleeps and may be called with IRQs masked.

use crate::OutOfMemory;
use crate::addr::{FrameNumber, PhysAddr};
use core::ops::Range;

/// Hands the machine's memory over: all `regions` of RAM, less `reserved` (kernel image, device
/// tree, initrd, firmware). The frame array is placed in the largest gap.
///
/// # Safety
/// Called once, before any other function of this crate; the regions are RAM that the linear map
/// reaches and that nobody uses outside `reserved`.
pub unsafe fn init(regions: &[Range<PhysAddr>], reserved: &[Range<PhysAddr>]) {
    let _ = (regions, reserved);
    todo!()
}

/// Gives reserved memory back once it is no longer read (the initrd).
///
/// # Safety
/// `range` was reserved at [`init`] and nobody refers to it any more.
pub unsafe fn release_reserved(range: Range<PhysAddr>) {
    let _ = range;
    todo!()
}

/// Starts the depot that batches of frames move through between CPUs; needs the heap.
pub fn enable_depot() {}

/// One frame (content undefined) for the kernel's own use.
pub fn alloc() -> Result<Frame, OutOfMemory> {
    todo!()
}

/// One frame full of zeros for the kernel's own use.
pub fn alloc_zeroed() -> Result<Frame, OutOfMemory> {
    todo!()
}

/// One zeroed frame on behalf of a user program: fails while the kernel's reserve is untouched.
pub fn alloc_user_zeroed() -> Result<Frame, OutOfMemory> {
    todo!()
}

/// `1 << order` contiguous frames, aligned to their size, content undefined.
pub fn alloc_contiguous(order: usize) -> Result<Block, OutOfMemory> {
    let _ = order;
    todo!()
}

pub fn total() -> usize {
    0
}

pub fn free() -> usize {
    0
}

/// One frame, one owner; freed on drop.
#[derive(Debug)]
pub struct Frame {
    number: FrameNumber,
}

impl Frame {
    pub fn number(&self) -> FrameNumber {
        self.number
    }

    pub fn address(&self) -> PhysAddr {
        self.number.address()
    }

    pub fn bytes(&self) -> &[u8] {
        todo!()
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        todo!()
    }

    /// Gives up being the only owner.
    pub fn share(self) -> FrameRef {
        todo!()
    }
}

/// A counted share of a frame (a file's page, a page mapped by several address spaces); the last
/// one to be dropped frees it.
#[derive(Debug)]
pub struct FrameRef {
    number: FrameNumber,
}

impl FrameRef {
    pub fn number(&self) -> FrameNumber {
        self.number
    }

    pub fn address(&self) -> PhysAddr {
        self.number.address()
    }

    /// The frame's memory, which user programs may be changing at the same time.
    pub fn as_ptr(&self) -> *const u8 {
        todo!()
    }

    /// The frame's memory for writing; remembers that instruction caches may now be stale.
    pub fn as_mut_ptr(&self) -> *mut u8 {
        todo!()
    }
}

impl Clone for FrameRef {
    fn clone(&self) -> Self {
        todo!()
    }
}

/// A contiguous run of frames; freed on drop.
#[derive(Debug)]
pub struct Block {
    first: FrameNumber,
    order: usize,
}

impl Block {
    pub fn address(&self) -> PhysAddr {
        self.first.address()
    }

    pub fn len(&self) -> usize {
        crate::PAGE_SIZE << self.order
    }

    pub fn is_empty(&self) -> bool {
        false
    }

    pub fn as_mut_ptr(&self) -> *mut u8 {
        crate::phys_map::frame_pointer(self.first)
    }

    /// Leaks it: the caller frees it with [`Block::from_raw`].
    pub fn into_raw(self) -> (PhysAddr, usize) {
        todo!()
    }

    /// # Safety
    /// `address` and `order` come from [`Block::into_raw`], once.
    pub unsafe fn from_raw(address: PhysAddr, order: usize) -> Self {
        Self {
            first: address.frame(),
            order,
        }
    }
}
