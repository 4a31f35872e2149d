//! Ranges of user bytes, one or several (`struct iovec`), and the walk over them.

use super::{UserPtr, plain};
use crate::error::{Errno, Result};
use alloc::vec::Vec;

/// A range of user bytes, unchecked until used.
#[derive(Clone, Copy, Debug)]
pub struct UserSlice {
    pub address: usize,
    pub length: usize,
}

impl UserSlice {
    pub const fn new(address: usize, length: usize) -> Self {
        Self { address, length }
    }

    fn advance(&mut self, count: usize) {
        self.address += count;
        self.length -= count;
    }
}

/// `struct iovec` (readv(2)).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct IoVec {
    pub base: usize,
    pub length: usize,
}
plain!(IoVec);

/// Reads an iovec array: at most `UIO_MAXIOV` entries and `isize::MAX` bytes (`EINVAL`).
pub fn read_iovecs(address: usize, count: usize) -> Result<Vec<UserSlice>> {
    const UIO_MAXIOV: usize = 1024;
    let vectors = UserPtr::<IoVec>::new(address).read_array(count, UIO_MAXIOV)?;
    let mut total = 0usize;
    for vector in &vectors {
        total = total.checked_add(vector.length).ok_or(Errno::EINVAL)?;
    }
    if total > isize::MAX as usize {
        return Err(Errno::EINVAL);
    }
    Ok(vectors
        .iter()
        .map(|vector| UserSlice::new(vector.base, vector.length))
        .collect())
}

/// The bytes of all ranges.
pub(super) fn total(current: UserSlice, rest: &[UserSlice]) -> usize {
    rest.iter()
        .fold(current.length, |sum, slice| sum + slice.length)
}

/// Walks up to `length` bytes of the ranges, calling `copy(address, offset, count)` for each piece.
/// What was moved before a fault counts; a fault at once is the error.
#[inline(always)]
pub(super) fn each_range(
    current: &mut UserSlice,
    rest: &mut &[UserSlice],
    length: usize,
    mut copy: impl FnMut(usize, usize, usize) -> Result<()>,
) -> Result<usize> {
    let count = current.length.min(length);
    // Mostly the present range takes all, or there is no other.
    if count == length || rest.is_empty() {
        if count > 0 {
            copy(current.address, 0, count)?;
            current.advance(count);
        }
        return Ok(count);
    }
    each_of_several(current, rest, length, copy)
}

#[cold]
fn each_of_several(
    current: &mut UserSlice,
    rest: &mut &[UserSlice],
    length: usize,
    mut copy: impl FnMut(usize, usize, usize) -> Result<()>,
) -> Result<usize> {
    let mut moved = 0;
    while moved < length {
        if current.length == 0 {
            let Some((next, later)) = rest.split_first() else {
                break;
            };
            (*current, *rest) = (*next, later);
            continue;
        }
        let count = current.length.min(length - moved);
        match copy(current.address, moved, count) {
            Err(error) if moved == 0 => return Err(error),
            Err(_) => break,
            Ok(()) => {}
        }
        current.advance(count);
        moved += count;
    }
    Ok(moved)
}
