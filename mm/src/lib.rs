//! Memory: frames, the kernel heap, page tables and address spaces.
//!
//! Nothing here sleeps except waiting for an address space's own lock and what a [`PageSource`]
//! does; running out of memory is always an error value. Hardware is behind two ports,
//! [`phys_map`] and [`tlb`], so all of it runs on the host over an arena.
//!
//! Order at boot: [`frame::init`], (heap usable), [`tlb::install`], [`kernel_space::init`],
//! [`frame::enable_depot`], then address spaces.

#![no_std]
extern crate alloc;
#[cfg(not(target_os = "none"))]
extern crate std;

pub mod addr;
mod arch;
pub mod frame;
pub mod heap;
pub mod kernel_space;
mod lock;
pub mod page_table;
pub mod phys_map;
pub mod space;
#[cfg(not(target_os = "none"))]
pub mod testing;
pub mod tlb;

pub use addr::{
    FrameNumber, PAGE_SHIFT, PAGE_SIZE, PhysAddr, USER_END, USER_START, UserAddr, VirtAddr,
};
pub use frame::{Block, Frame, FrameRef};
pub use heap::KernelHeap;
pub use space::{AddressSpace, PageSource};

/// No frame is left (or none that this caller may take). Becomes `ENOMEM` at the boundary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory;

/// The calling CPU goes off: gives back what it keeps for itself. IRQs masked.
pub fn leave_cpu() {
    space::leave_cpu();
    heap::leave_cpu();
    frame::leave_cpu();
}

/// Memory use of the whole machine, in frames, as /proc/meminfo wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub total_frames: usize,
    pub free_frames: usize,
    /// Frames held by the heap's slabs and large blocks.
    pub heap_frames: usize,
}

pub fn stats() -> Stats {
    Stats {
        total_frames: frame::total(),
        free_frames: frame::free(),
        heap_frames: heap::frames(),
    }
}
