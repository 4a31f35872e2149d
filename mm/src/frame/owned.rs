//! Owners of frames: [`Frame`] (one holder), [`FrameRef`] (shared by count), [`Block`] (a run).

use super::{array, give_block, unshare};
use crate::addr::{FrameNumber, PAGE_SIZE, PhysAddr};
use crate::phys_map;
use core::mem::ManuallyDrop;

/// One frame, one owner; freed on drop.
#[derive(Debug)]
pub struct Frame {
    number: FrameNumber,
}

impl Frame {
    /// Wraps a frame whose only share is the caller's.
    #[inline]
    pub(super) fn from_counted(number: FrameNumber) -> Self {
        Self { number }
    }

    #[inline]
    pub fn number(&self) -> FrameNumber {
        self.number
    }

    pub fn address(&self) -> PhysAddr {
        self.number.address()
    }

    pub fn bytes(&self) -> &[u8; PAGE_SIZE] {
        // SAFETY: the frame is RAM that only this owner uses.
        unsafe { &*phys_map::frame_pointer(self.number).cast() }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8; PAGE_SIZE] {
        // SAFETY: as above, and `&mut self`.
        unsafe { &mut *phys_map::frame_pointer(self.number).cast() }
    }

    /// Gives up being the only owner.
    pub fn share(self) -> FrameRef {
        FrameRef {
            number: self.into_number(),
        }
    }

    /// Leaks the share: a page table holds it now.
    #[inline]
    pub(crate) fn into_number(self) -> FrameNumber {
        ManuallyDrop::new(self).number
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        unshare(self.number);
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
        phys_map::frame_pointer(self.number)
    }

    /// The frame's memory for writing; remembers that instruction caches may now be stale.
    pub fn as_mut_ptr(&self) -> *mut u8 {
        array::info(self.number).mark_written();
        phys_map::frame_pointer(self.number)
    }

    /// Shares held by everyone: 1 means that nobody else has it, now.
    pub fn shares(&self) -> u32 {
        array::info(self.number).count()
    }

    /// A share of a frame that a page table maps, unless the frame is being freed.
    pub(crate) fn try_share(number: FrameNumber) -> Option<Self> {
        // Made only if there is a share: its drop gives one back.
        array::info(number).try_share().then(|| Self { number })
    }

    /// Leaks the share: a page table holds it now.
    pub(crate) fn into_number(self) -> FrameNumber {
        ManuallyDrop::new(self).number
    }
}

impl Clone for FrameRef {
    fn clone(&self) -> Self {
        array::info(self.number).share();
        Self {
            number: self.number,
        }
    }
}

impl Drop for FrameRef {
    fn drop(&mut self) {
        unshare(self.number);
    }
}

/// A contiguous run of frames; freed on drop.
#[derive(Debug)]
pub struct Block {
    first: FrameNumber,
    order: usize,
}

impl Block {
    pub(super) fn new(first: FrameNumber, order: usize) -> Self {
        Self { first, order }
    }

    pub fn address(&self) -> PhysAddr {
        self.first.address()
    }

    pub fn order(&self) -> usize {
        self.order
    }

    /// Bytes.
    pub fn size(&self) -> usize {
        PAGE_SIZE << self.order
    }

    pub fn as_mut_ptr(&self) -> *mut u8 {
        phys_map::frame_pointer(self.first)
    }

    /// Leaks it: the caller frees it with [`Block::from_raw`].
    pub fn into_raw(self) -> (PhysAddr, usize) {
        let this = ManuallyDrop::new(self);
        (this.address(), this.order)
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

impl Drop for Block {
    fn drop(&mut self) {
        give_block(self.first, self.order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::alloc;
    use crate::testing::machine;

    #[test]
    fn a_share_of_a_freed_frame_is_refused_and_changes_nothing() {
        let _machine = machine();
        let frame = alloc().unwrap().share();
        let number = frame.number();
        assert_eq!(
            FrameRef::try_share(number).map(|share| share.shares()),
            Some(2)
        );
        drop(frame);
        assert!(FrameRef::try_share(number).is_none());
        assert_eq!(array::info(number).count(), 0);
    }
}
