//! How the kernel reaches physical memory.
//!
//! On the machine it is the linear map, an addition. On the host it is an arena that stands for
//! RAM from physical address 0 and keeps pointer provenance, so miri can check its users.

use crate::addr::{FrameNumber, PhysAddr};

/// Kernel virtual address of physical address 0.
pub const LINEAR_BASE: usize = 0xffff_0000_0000_0000;

#[cfg(target_os = "none")]
mod port {
    use super::*;

    #[inline]
    pub fn pointer(address: PhysAddr) -> *mut u8 {
        core::ptr::with_exposed_provenance_mut(LINEAR_BASE + address.0 as usize)
    }

    #[inline]
    pub fn physical(pointer: *const u8) -> PhysAddr {
        PhysAddr((pointer.addr() - LINEAR_BASE) as u64)
    }
}

#[cfg(not(target_os = "none"))]
mod port {
    use super::*;
    use core::sync::atomic::{AtomicPtr, Ordering};

    static ARENA: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());

    /// Makes `base` the memory that physical addresses from 0 name. Tests only, once.
    pub fn install_arena(base: *mut u8) {
        ARENA.store(base, Ordering::Release);
    }

    pub fn pointer(address: PhysAddr) -> *mut u8 {
        ARENA
            .load(Ordering::Acquire)
            .wrapping_add(address.0 as usize)
    }

    pub fn physical(pointer: *const u8) -> PhysAddr {
        PhysAddr((pointer.addr() - ARENA.load(Ordering::Acquire).addr()) as u64)
    }
}

#[cfg(not(target_os = "none"))]
pub use port::install_arena;
/// Where the kernel reads and writes `address`; and back. Only for RAM (device registers are
/// mapped by `kernel_space::map_device`).
pub use port::{physical, pointer};

/// The start of a frame's memory.
#[inline]
pub fn frame_pointer(frame: FrameNumber) -> *mut u8 {
    pointer(frame.address())
}
