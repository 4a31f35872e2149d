//! Copies between kernel and user memory; each refuses what is not a user range.

use crate::arch::usercopy;
use crate::error::{Errno, Result};
use alloc::vec::Vec;

/// One past the last user address (48-bit TTBR0 range).
pub const USER_END: usize = 1 << 48;

/// `EFAULT` unless the whole range is in the user half.
pub(super) fn check(address: usize, length: usize) -> Result<()> {
    match address.checked_add(length) {
        Some(end) if end <= USER_END => Ok(()),
        _ => Err(Errno::EFAULT),
    }
}

/// Copies `out.len()` bytes from user `address`.
pub fn copy_in(address: usize, out: &mut [u8]) -> Result<()> {
    check(address, out.len())?;
    // SAFETY: `out` is valid for writes of its length; the user range is checked and faults are
    // caught by the copy routine.
    unsafe { usercopy::copy_from_user(out.as_mut_ptr(), address, out.len()) }
        .map_err(|_| Errno::EFAULT)
}

/// Copies `length` bytes from user `address` to the end of `out`, whose memory has been set aside.
pub(super) fn copy_in_after(address: usize, out: &mut Vec<u8>, length: usize) -> Result<()> {
    check(address, length)?;
    let room = &mut out.spare_capacity_mut()[..length];
    // SAFETY: `room` is valid for writes of its length; the user range is checked and faults are
    // caught by the copy routine.
    unsafe { usercopy::copy_from_user(room.as_mut_ptr().cast(), address, length) }
        .map_err(|_| Errno::EFAULT)?;
    // SAFETY: that many bytes of the room have been written.
    unsafe { out.set_len(out.len() + length) };
    Ok(())
}

/// Copies `data` to user `address`.
pub fn copy_out(address: usize, data: &[u8]) -> Result<()> {
    check(address, data.len())?;
    // SAFETY: `data` is valid for reads of its length; the user range is checked and faults are
    // caught by the copy routine.
    unsafe { usercopy::copy_to_user(address, data.as_ptr(), data.len()) }.map_err(|_| Errno::EFAULT)
}

/// Writes `length` zero bytes at user `address`.
pub fn zero_out(address: usize, length: usize) -> Result<()> {
    check(address, length)?;
    // SAFETY: the user range is checked and faults are caught by the routine.
    unsafe { usercopy::zero_user(address, length) }.map_err(|_| Errno::EFAULT)
}
