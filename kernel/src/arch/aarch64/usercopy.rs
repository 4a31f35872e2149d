//! The only instructions that touch user memory (`usercopy.S`), and where they go on after a
//! fault that the address space cannot resolve.
//!
//! Any of these may fault a page in, and so sleep: never under a spin lock or with IRQs masked.

use super::cpu;
use core::arch::asm;

/// The user address could not be accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAddress;

unsafe extern "C" {
    fn weft_copy_from_user(to: *mut u8, from: usize, length: usize) -> usize;
    fn weft_copy_to_user(to: usize, from: *const u8, length: usize) -> usize;
    fn weft_zero_user(to: usize, length: usize) -> usize;
    fn weft_load_user_word(from: usize, value: *mut u32) -> usize;
    fn weft_compare_exchange_user_word(at: usize, old: u32, new: u32, found: *mut u32) -> usize;
}

fn outcome(status: usize) -> Result<(), BadAddress> {
    if status == 0 { Ok(()) } else { Err(BadAddress) }
}

/// Copies `length` bytes from user memory; after an error some may have been copied.
///
/// # Safety
/// `to` must be valid for `length` writes.
pub unsafe fn copy_from_user(to: *mut u8, from: usize, length: usize) -> Result<(), BadAddress> {
    // SAFETY: the caller vouches for `to`; `from` is accessed with user rights and fixed up.
    outcome(unsafe { weft_copy_from_user(to, from, length) })
}

/// Copies `length` bytes to user memory; after an error some may have been copied.
///
/// # Safety
/// `from` must be valid for `length` reads.
pub unsafe fn copy_to_user(to: usize, from: *const u8, length: usize) -> Result<(), BadAddress> {
    // SAFETY: the caller vouches for `from`; `to` is accessed with user rights and fixed up.
    outcome(unsafe { weft_copy_to_user(to, from, length) })
}

/// Writes `length` zeros to user memory; after an error some may have been written.
///
/// # Safety
/// None on this architecture; the host twin writes real memory.
pub unsafe fn zero_user(to: usize, length: usize) -> Result<(), BadAddress> {
    // SAFETY: `to` is accessed with user rights and fixed up.
    outcome(unsafe { weft_zero_user(to, length) })
}

/// Reads an aligned user word, before any later access of this CPU.
///
/// # Safety
/// None on this architecture; the host twin reads real memory.
pub unsafe fn load_u32(address: usize) -> Result<u32, BadAddress> {
    let mut value = 0;
    // SAFETY: `address` is read with user rights and fixed up; `value` is ours.
    outcome(unsafe { weft_load_user_word(address, &mut value) })?;
    Ok(value)
}

/// Stores `new` to an aligned user word if it holds `old`; returns what it held.
///
/// # Safety
/// `address` must be below the end of user space: exclusives have no unprivileged form.
pub unsafe fn compare_exchange_u32(address: usize, old: u32, new: u32) -> Result<u32, BadAddress> {
    let mut found = 0;
    set_access_never(false);
    // SAFETY: a user address by the caller's promise, fixed up; `found` is ours.
    let status = unsafe { weft_compare_exchange_user_word(address, old, new, &mut found) };
    set_access_never(true);
    outcome(status)?;
    Ok(found)
}

/// PSTATE.PAN, where the CPU has it: whether privileged accesses to user pages fault.
fn set_access_never(on: bool) {
    if !cpu::has_pan() {
        return;
    }
    // Encoded by hand: `msr pan, #imm` needs a newer baseline than this kernel has.
    if on {
        // SAFETY: back to the kernel's normal state.
        unsafe { asm!(".inst 0xd500419f", options(nostack, preserves_flags)) };
    } else {
        // SAFETY: until set again, only the one checked user address is accessed.
        unsafe { asm!(".inst 0xd500409f", options(nostack, preserves_flags)) };
    }
}

/// One entry of the table that `usercopy.S` builds: two offsets, each from its own address.
#[repr(C)]
struct Fixup {
    instruction: i32,
    target: i32,
}

unsafe extern "C" {
    static __fixups_start: [Fixup; 0];
    static __fixups_end: [Fixup; 0];
}

/// Where to continue when the instruction at `pc` faulted for good; `None`: not a user access.
pub fn fixup(pc: u64) -> Option<u64> {
    let (start, end) = (
        (&raw const __fixups_start).cast::<Fixup>(),
        (&raw const __fixups_end).cast::<Fixup>(),
    );
    // SAFETY: the linker script bounds the table with these symbols.
    let table = unsafe { core::slice::from_raw_parts(start, end.offset_from(start) as usize) };
    let absolute = |field: &i32| (&raw const *field as u64).wrapping_add_signed(i64::from(*field));
    table
        .iter()
        .find(|entry| absolute(&entry.instruction) == pc)
        .map(|entry| absolute(&entry.target))
}
