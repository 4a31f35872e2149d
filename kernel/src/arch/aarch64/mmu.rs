//! The memory-management unit: control register values, what the final kernel table holds, the
//! switch to it.

use crate::machine::Region;
use core::arch::asm;
use mm::kernel_space::{self, KernelAccess, KernelTable};
use mm::{PAGE_SIZE, PhysAddr, VirtAddr};
use spin::Once;

/// TCR_EL1: 48-bit halves, 4 KiB pages, write-back inner-shareable walks, top byte ignored in
/// user addresses (the Linux ABI). IPS and AS are filled in from the ID registers.
pub const TCR: u64 = {
    const SIZE: u64 = 16 | 16 << 16;
    const WALKS: u64 = 1 << 8 | 1 << 10 | 3 << 12;
    const TG1_4K: u64 = 2 << 30;
    const TBI0: u64 = 1 << 37;
    SIZE | WALKS | WALKS << 16 | TG1_4K | TBI0
};

/// SCTLR_EL1: MMU, caches, stack alignment checks on; EL0 may use DC ZVA, CTR_EL0, cache
/// maintenance, WFI and WFE; PAN is set at each exception.
pub const SCTLR: u64 = {
    const RES1: u64 = 0x30d0_0800;
    const M_C_SA_SA0_I: u64 = 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 12;
    const DZE_UCT_UCI: u64 = 1 << 14 | 1 << 15 | 1 << 26;
    const NTWI_NTWE: u64 = 1 << 16 | 1 << 18;
    RES1 | M_C_SA_SA0_I | DZE_UCT_UCI | NTWI_NTWE
};

pub const IMAGE_BASE: usize = 0xffff_8000_0000_0000;
pub use mm::phys_map::LINEAR_BASE;

unsafe extern "C" {
    static __image_start: u8;
    static __text_end: u8;
    static __rodata_end: u8;
    static __bss_end: u8;
    static __boot_stack_guard: u8;
    static __boot_stack: u8;
    static __image_end: u8;
    static __empty_table: u8;
    fn weft_replace_kernel_table(table: u64, continue_at: u64, empty: u64);
    fn weft_replace_kernel_table_physical();
    fn weft_secondary_entry();
}

/// Where the loader put the image.
#[derive(Clone, Copy)]
pub struct Image {
    pub physical: u64,
}

static IMAGE: Once<Image> = Once::new();

/// Where a CPU that the firmware starts begins, physically.
pub fn secondary_entry() -> u64 {
    image().physical_of(weft_secondary_entry as *const u8)
}

fn image() -> Image {
    *IMAGE
        .get()
        .expect("the boot CPU enters the final table first")
}

impl Image {
    fn physical_of(self, symbol: *const u8) -> u64 {
        self.physical + (symbol.addr() - IMAGE_BASE) as u64
    }

    /// The bytes it occupies, the appended symbol table included.
    pub fn region(self) -> Region {
        const IMAGE_SIZE: usize = 16;
        // SAFETY: the Image header starts the image; the image tool may have changed this field,
        // so it is read as it is in memory.
        let size = unsafe {
            (&raw const __image_start)
                .add(IMAGE_SIZE)
                .cast::<u64>()
                .read_volatile()
        };
        Region {
            base: self.physical,
            size: size.next_multiple_of(PAGE_SIZE as u64),
        }
    }
}

/// The symbol table that the image tool appends, if the image is longer than what was linked.
pub fn appended(image: Region) -> &'static [u8] {
    let linked = (&raw const __image_end).addr() - IMAGE_BASE;
    let length = (image.size as usize).saturating_sub(linked);
    // SAFETY: the image is mapped as far as its header says, and read-only behind what is linked.
    unsafe { core::slice::from_raw_parts(&raw const __image_end, length) }
}

/// Fills `table` with the kernel's own mappings: the image, each part with its rights, and all
/// RAM; what is read-only in the image is read-only in the linear map too.
pub fn map_kernel(
    table: &mut KernelTable,
    image: Image,
    ram: &[Region],
) -> Result<(), mm::OutOfMemory> {
    use KernelAccess::{Execute, ReadOnly, ReadWrite};
    let read_only_end = &raw const __rodata_end;
    let region = image.region();
    let parts = [
        (&raw const __image_start, &raw const __text_end, Execute),
        (&raw const __text_end, read_only_end, ReadOnly),
        // The guard of the boot stack lies between these two.
        (read_only_end, &raw const __boot_stack_guard, ReadWrite),
        (&raw const __boot_stack, &raw const __image_end, ReadWrite),
    ];
    for (start, end, access) in parts {
        let length = end.addr() - start.addr();
        table.map(
            VirtAddr(start.addr()),
            PhysAddr(image.physical_of(start)),
            length,
            access,
        )?;
    }
    let symbols = image.physical_of(&raw const __image_end);
    if region.end() > symbols {
        let length = (region.end() - symbols) as usize;
        table.map(
            VirtAddr((&raw const __image_end).addr()),
            PhysAddr(symbols),
            length,
            ReadOnly,
        )?;
    }
    let writable_from = image.physical_of(read_only_end);
    for part in ram {
        map_linear(table, part.base, part.end().min(region.base), ReadWrite)?;
        let (start, end) = (part.base.max(region.base), part.end());
        map_linear(table, start, end.min(writable_from), ReadOnly)?;
        map_linear(table, start.max(writable_from), end, ReadWrite)?;
    }
    Ok(())
}

fn map_linear(
    table: &mut KernelTable,
    start: u64,
    end: u64,
    access: KernelAccess,
) -> Result<(), mm::OutOfMemory> {
    if start >= end {
        return Ok(());
    }
    table.map(
        VirtAddr(LINEAR_BASE + start as usize),
        PhysAddr(start),
        (end - start) as usize,
        access,
    )
}

/// Leaves the boot tables for `root`: W^X from here on, nothing below the kernel mapped.
///
/// # Safety
/// IRQs are masked, this is the boot CPU, and `root` maps the image where it is.
pub unsafe fn enter_final_table(root: PhysAddr, image: Image) {
    let physical = |symbol: *const u8| image.physical_of(symbol);
    let continue_at = physical(weft_replace_kernel_table_physical as *const u8);
    // SAFETY: the identity map in TTBR0 still covers the routine; the caller vouches for `root`.
    unsafe { weft_replace_kernel_table(root.0, continue_at, physical(&raw const __empty_table)) };
    IMAGE.call_once(|| image);
    leave_user_table();
}

/// Points TTBR0 at the table without entries: what a CPU without a user thread uses.
pub fn leave_user_table() {
    let empty = image().physical_of(&raw const __empty_table);
    // SAFETY: the kernel does not use TTBR0; stale entries of the identity map go with the flush.
    unsafe {
        asm!("msr ttbr0_el1, {}", "isb", "tlbi vmalle1", "dsb nsh", "isb", in(reg) empty, options(nostack, preserves_flags));
    }
}

/// Where the linear map has a byte of the image.
pub fn linear_alias(address: usize) -> usize {
    LINEAR_BASE + image().physical as usize + (address - IMAGE_BASE)
}

/// Whether the kernel may write `address`: AT S1E1W, then PAR_EL1.F. IRQs are masked, for a switch
/// does not keep PAR_EL1.
pub fn is_writable(address: usize) -> bool {
    let _masked = percpu::irq::mask();
    let outcome: u64;
    // SAFETY: a translation without an access; the result register is nobody's.
    unsafe {
        asm!("at s1e1w, {}", "isb", "mrs {}, par_el1", in(reg) address, out(reg) outcome, options(nostack, preserves_flags))
    };
    outcome & 1 == 0
}

/// Maps device registers for good; any alignment. Panics without memory: drivers start at boot.
pub fn map_device(physical: u64, size: u64) -> *mut u8 {
    let mapped = kernel_space::map_device(PhysAddr(physical), size as usize);
    mapped.expect("memory for page tables at boot").as_mut_ptr()
}
