//! AArch64: `DC ZVA` zeroes a block at a time; copies go through general registers, as the kernel
//! leaves FP/SIMD to user threads.

use crate::addr::PAGE_SIZE;
use core::arch::asm;

/// # Safety
/// `page` is a writable page of normal memory.
#[inline]
pub unsafe fn zero_page(page: *mut u8) {
    let id: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, dczid_el0", out(reg) id, options(nomem, nostack, preserves_flags)) };
    // Bit 4 (DZP) prohibits it; bits 3:0 are log2 of the block in words (Arm ARM D19.2.35).
    if id & 0x1f != 4 {
        // SAFETY: as asked of the caller.
        return unsafe { page.write_bytes(0, PAGE_SIZE) };
    }
    // SAFETY: four rounds of sixteen 64-byte blocks are exactly the page.
    unsafe {
        asm!(
            "2:",
            ".rept 16",
            "dc zva, {page}",
            "add {page}, {page}, #64",
            ".endr",
            "cmp {page}, {end}",
            "b.ne 2b",
            page = inout(reg) page => _,
            end = in(reg) page.add(PAGE_SIZE),
            options(nostack),
        );
    }
}

/// # Safety
/// `to` is a writable page, `from` a readable one, and they differ.
#[inline]
pub unsafe fn copy_page(to: *mut u8, from: *const u8) {
    // SAFETY: 64 rounds of 64 bytes are exactly the page.
    unsafe {
        asm!(
            "2:",
            "ldp {a}, {b}, [{from}]",
            "ldp {c}, {d}, [{from}, #16]",
            "ldp {e}, {f}, [{from}, #32]",
            "ldp {g}, {h}, [{from}, #48]",
            "add {from}, {from}, #64",
            "stp {a}, {b}, [{to}]",
            "stp {c}, {d}, [{to}, #16]",
            "stp {e}, {f}, [{to}, #32]",
            "stp {g}, {h}, [{to}, #48]",
            "add {to}, {to}, #64",
            "cmp {from}, {end}",
            "b.ne 2b",
            from = inout(reg) from => _,
            to = inout(reg) to => _,
            end = in(reg) from.add(PAGE_SIZE),
            a = out(reg) _, b = out(reg) _, c = out(reg) _, d = out(reg) _,
            e = out(reg) _, f = out(reg) _, g = out(reg) _, h = out(reg) _,
            options(nostack),
        );
    }
}
