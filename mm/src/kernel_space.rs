//! The kernel's own translations (TTBR1): building them at boot, and the dynamic window for
//! device registers and thread stacks.

use crate::OutOfMemory;
use crate::addr::{PhysAddr, VirtAddr};
use core::ops::Range;

/// The dynamic window: stacks with guard pages, device registers.
pub const WINDOW: Range<VirtAddr> =
    VirtAddr(0xffff_9000_0000_0000)..VirtAddr(0xffff_a000_0000_0000);

/// What a kernel mapping may be used for. Never both written and executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KernelAccess {
    ReadOnly,
    ReadWrite,
    Execute,
    /// Device-nGnRE registers, read and write.
    Device,
    /// Normal memory, uncached.
    Uncached,
}

/// A kernel table under construction; boot code fills one and points TTBR1 at it.
pub struct KernelTable {
    root: PhysAddr,
}

impl KernelTable {
    pub fn new() -> Result<Self, OutOfMemory> {
        todo!()
    }

    /// Maps `virt.. + length` to `phys..` with the largest blocks that fit (1 GiB, 2 MiB, 4 KiB).
    pub fn map(
        &mut self,
        virt: VirtAddr,
        phys: PhysAddr,
        length: usize,
        access: KernelAccess,
    ) -> Result<(), OutOfMemory> {
        let _ = (virt, phys, length, access);
        todo!()
    }

    pub fn root(&self) -> PhysAddr {
        self.root
    }
}

/// Takes the table TTBR1 points at as the one that [`map_device`] and [`Stack`] edit.
pub fn init(table: KernelTable) {
    let _ = table;
    todo!()
}

/// Maps device registers into the window, for good. Any alignment; returns the address of `phys`.
pub fn map_device(phys: PhysAddr, length: usize) -> Result<VirtAddr, OutOfMemory> {
    let _ = (phys, length);
    todo!()
}

/// A kernel stack in the window with an unmapped guard page on either side. Dropped stacks are
/// kept for reuse; must not be dropped by the thread that runs on it.
pub struct Stack {
    bottom: VirtAddr,
    pages: usize,
}

/// Pages of an ordinary kernel stack: 32 KiB.
pub const STACK_PAGES: usize = 8;

impl Stack {
    pub fn new() -> Result<Self, OutOfMemory> {
        todo!()
    }

    /// One past the highest usable address; 16-byte aligned.
    pub fn top(&self) -> VirtAddr {
        self.bottom.offset(self.pages * crate::PAGE_SIZE)
    }

    /// The lowest usable address; the page below is the guard.
    pub fn bottom(&self) -> VirtAddr {
        self.bottom
    }
}

impl Drop for Stack {
    fn drop(&mut self) {}
}

/// Whether `address` lies in a guard page of some stack: the fault handler says "stack overflow".
pub fn is_stack_guard(address: VirtAddr) -> bool {
    let _ = address;
    todo!()
}
