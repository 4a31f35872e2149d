//! The vDSO's image, as assembled from `vdso.S`.

use core::ptr;

unsafe extern "C" {
    static weft_vdso_start: u8;
    static weft_vdso_sigreturn: u8;
    static weft_vdso_end: u8;
}

/// The shared library: less than a page.
pub fn image() -> &'static [u8] {
    let start = &raw const weft_vdso_start;
    let length = offset_of(&raw const weft_vdso_end);
    // SAFETY: the two labels enclose read-only data of the kernel image.
    unsafe { core::slice::from_raw_parts(start, length) }
}

/// Where in it signal handlers return to.
pub fn sigreturn() -> usize {
    offset_of(&raw const weft_vdso_sigreturn)
}

fn offset_of(label: *const u8) -> usize {
    label as usize - ptr::addr_of!(weft_vdso_start) as usize
}
