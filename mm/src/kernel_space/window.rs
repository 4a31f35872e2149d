//! The live kernel table and the half of the window that device registers are mapped in.

use super::{KernelAccess, KernelTable, WINDOW};
use crate::OutOfMemory;
use crate::addr::{PAGE_SIZE, PhysAddr, VirtAddr, page_down, page_up};
use crate::lock::SpinLock;
#[cfg(not(target_os = "none"))]
use crate::phys_map;
use crate::tlb::tlb;

pub(super) struct Kernel {
    pub table: KernelTable,
    /// Device mappings are for good: the next one goes here.
    device_end: VirtAddr,
}

static KERNEL: SpinLock<Option<Kernel>> = SpinLock::new(None);

/// Takes the table TTBR1 points at as the one that [`map_device`] and `Stack` edit.
pub fn init(table: KernelTable) {
    *KERNEL.lock() = Some(Kernel {
        table,
        device_end: WINDOW.start,
    });
}

pub(super) fn with<R>(edit: impl FnOnce(&mut Kernel) -> R) -> R {
    edit(
        KERNEL
            .lock()
            .as_mut()
            .expect("kernel_space::init comes first"),
    )
}

/// Maps device registers into the window, for good. Any alignment; returns the address of `phys`.
pub fn map_device(phys: PhysAddr, length: usize) -> Result<VirtAddr, OutOfMemory> {
    let within = phys.0 as usize % PAGE_SIZE;
    let first = PhysAddr(page_down(phys.0 as usize) as u64);
    let length = page_up(within + length).ok_or(OutOfMemory)?;
    with(|kernel| {
        let virt = kernel.device_end;
        kernel
            .table
            .map(virt, first, length, KernelAccess::Device)?;
        // An unmapped page in between catches overruns.
        kernel.device_end = virt.offset(length + PAGE_SIZE);
        tlb().publish();
        Ok(virt.offset(within))
    })
}

/// Where a kernel address leads, for DMA and diagnostics.
pub fn translate(virt: VirtAddr) -> Option<PhysAddr> {
    with(|kernel| kernel.table.translate(virt))
}

/// How the kernel reaches a page of the window that is mapped.
#[cfg(target_os = "none")]
#[inline]
pub fn pointer(page: VirtAddr) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut(page.0)
}

/// The host has no window: the page is reached in the arena.
#[cfg(not(target_os = "none"))]
pub fn pointer(page: VirtAddr) -> *mut u8 {
    translate(page).map_or(core::ptr::null_mut(), phys_map::pointer)
}
