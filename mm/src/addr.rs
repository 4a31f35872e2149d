//! Addresses, a type for each claim: physical, kernel virtual, user virtual, frame numbers.

use core::fmt;
use core::ops::Range;

pub const PAGE_SHIFT: usize = 12;
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;

/// User space: page 0 stays unmapped so that null pointers fault; TTBR0 reaches 48 bits.
pub const USER_START: usize = 0x1000;
pub const USER_END: usize = 0x0001_0000_0000_0000;

/// Rounds down to a page boundary.
#[inline]
pub const fn page_down(address: usize) -> usize {
    address & !(PAGE_SIZE - 1)
}

/// Rounds up to a page boundary; `None` when that overflows.
#[inline]
pub const fn page_up(address: usize) -> Option<usize> {
    match address.checked_add(PAGE_SIZE - 1) {
        Some(sum) => Some(page_down(sum)),
        None => None,
    }
}

pub const fn is_page_aligned(address: usize) -> bool {
    address & (PAGE_SIZE - 1) == 0
}

/// An address on the memory bus.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhysAddr(pub u64);

impl PhysAddr {
    pub const fn new(address: u64) -> Self {
        Self(address)
    }

    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The frame that holds this address.
    #[inline]
    pub const fn frame(self) -> FrameNumber {
        FrameNumber((self.0 >> PAGE_SHIFT) as u32)
    }

    pub const fn offset(self, bytes: usize) -> Self {
        Self(self.0 + bytes as u64)
    }
}

impl fmt::Debug for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PA {:#x}", self.0)
    }
}

/// An address in the kernel's half (TTBR1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtAddr(pub usize);

impl VirtAddr {
    pub const fn new(address: usize) -> Self {
        Self(address)
    }

    pub const fn as_usize(self) -> usize {
        self.0
    }

    pub const fn offset(self, bytes: usize) -> Self {
        Self(self.0 + bytes)
    }

    pub fn as_mut_ptr<T>(self) -> *mut T {
        core::ptr::with_exposed_provenance_mut(self.0)
    }
}

impl fmt::Debug for VirtAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VA {:#x}", self.0)
    }
}

/// An address inside `USER_START..USER_END`: checked to be in the user half, nothing more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserAddr(usize);

impl UserAddr {
    /// `None` unless the address lies in the user half (tags must be stripped by the caller).
    pub const fn new(address: usize) -> Option<Self> {
        if address < USER_END {
            Some(Self(address))
        } else {
            None
        }
    }

    pub const fn as_usize(self) -> usize {
        self.0
    }
}

impl fmt::Debug for UserAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UA {:#x}", self.0)
    }
}

/// A physical page frame: physical address / 4 KiB. 32 bits reach 16 TiB.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FrameNumber(pub u32);

impl FrameNumber {
    #[inline]
    pub const fn address(self) -> PhysAddr {
        PhysAddr((self.0 as u64) << PAGE_SHIFT)
    }
}

/// The page-aligned user range `[start, start + length)`, length rounded up; `None` when it is
/// empty, misaligned or leaves the user half.
#[inline]
pub fn user_pages(start: usize, length: usize) -> Option<Range<usize>> {
    let length = page_up(length)?;
    let end = start.checked_add(length)?;
    let valid = length > 0 && is_page_aligned(start) && end <= USER_END;
    valid.then_some(start..end)
}
