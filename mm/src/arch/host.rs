//! The host's twin: plain memory functions.

use crate::addr::PAGE_SIZE;

/// # Safety
/// `page` is a writable page.
pub unsafe fn zero_page(page: *mut u8) {
    // SAFETY: as asked of the caller.
    unsafe { page.write_bytes(0, PAGE_SIZE) };
}

/// # Safety
/// `to` is a writable page, `from` a readable one, and they differ.
pub unsafe fn copy_page(to: *mut u8, from: *const u8) {
    // SAFETY: as asked of the caller.
    unsafe { to.copy_from_nonoverlapping(from, PAGE_SIZE) };
}
