//! Which CPU this is, and the memory behind each CPU's variables.
//!
//! The linker gathers every [`crate::cpu_local!`] variable in `.percpu`, between
//! `__percpu_start` and `__percpu_end` (aligned to 128 bytes). That is the template; each CPU has
//! a copy of it, and `TPIDR_EL1` holds the copy's distance from the template. The boot CPU's copy
//! must be made before the first Rust code that locks anything.

use crate::{CpuId, arch};

/// The CPU this runs on. Already history when it returns unless the thread is pinned; then
/// [`crate::Pinned::cpu`] says the same with a proof.
#[inline]
pub fn cpu_id() -> CpuId {
    arch::current()
}

/// Whether `cpu` has per-CPU variables: it runs, ran, or is about to.
pub fn is_present(cpu: CpuId) -> bool {
    arch::is_present(cpu)
}

/// Bytes each CPU's area needs, at 128-byte alignment.
#[cfg(target_os = "none")]
pub fn area_size() -> usize {
    arch::template().1
}

/// Makes the area of `cpu` at `base`: a copy of the template that knows its CPU's number.
///
/// # Safety
/// `base` is valid for [`area_size`] bytes for ever, aligned to 128 and used for nothing else, and
/// the CPU does not run yet (or is the caller, before it used any per-CPU variable).
#[cfg(target_os = "none")]
pub unsafe fn init_area(cpu: CpuId, base: *mut u8) {
    let (template, size) = arch::template();
    // SAFETY: the caller gives `size` writable bytes; the template is as long and is elsewhere.
    unsafe { core::ptr::copy_nonoverlapping(template, base, size) };
    arch::publish(cpu, base);
}

/// Makes the area of `cpu` this CPU's own, by loading `TPIDR_EL1`.
///
/// # Safety
/// [`init_area`] was called for `cpu`, and no other CPU uses that area.
#[cfg(target_os = "none")]
pub unsafe fn set_base(cpu: CpuId) {
    // SAFETY: as asked of the caller.
    unsafe { arch::load_base(cpu) };
}
