//! User memory: every pointer from user space is an allegation, checked when it is used.
//!
//! [`UserPtr`] reads and writes one value, [`UserSlice`] a range of bytes, [`Sink`] and [`Source`]
//! are what `read`- and `write`-like calls move bytes through (user iovecs or kernel buffers).
//! Any copy may fault pages in and so may sleep: never under a spin lock. A bad address is
//! `EFAULT`, and the kernel half of the address space is never a user address.

use crate::arch::usercopy;
use crate::error::{Errno, Result};
use alloc::string::String;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::mem::{MaybeUninit, size_of};

/// One past the last user address (48-bit TTBR0 range).
pub const USER_END: usize = 1 << 48;

/// Types that are plain bytes to user space: any bit pattern is a value.
///
/// # Safety
/// Every bit pattern of `size_of::<Self>()` bytes must be a valid value.
pub unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($type:ty),* $(,)?) => { $(
        // SAFETY: integers (and C structs made of integers only) accept every bit pattern.
        unsafe impl $crate::user_memory::Plain for $type {}
    )* };
}
pub(crate) use plain;

plain!(u8, i8, u16, i16, u32, i32, u64, i64, usize, isize);

// SAFETY: an array of plain values is plain.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

fn check(address: usize, length: usize) -> Result<()> {
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
fn copy_in_after(address: usize, out: &mut Vec<u8>, length: usize) -> Result<()> {
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

/// A user pointer to `T`, unchecked until used.
pub struct UserPtr<T> {
    address: usize,
    kind: PhantomData<*mut T>,
}

impl<T> Clone for UserPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for UserPtr<T> {}

impl<T> UserPtr<T> {
    pub const fn new(address: usize) -> Self {
        Self {
            address,
            kind: PhantomData,
        }
    }

    pub fn address(self) -> usize {
        self.address
    }

    pub fn is_null(self) -> bool {
        self.address == 0
    }

    /// `None` for a null pointer: optional arguments.
    pub fn optional(self) -> Option<Self> {
        (!self.is_null()).then_some(self)
    }

    /// The `index`th element of an array; wraps on overflow, which the use then refuses.
    pub fn element(self, index: usize) -> Self {
        Self::new(
            self.address
                .wrapping_add(index.wrapping_mul(size_of::<T>())),
        )
    }
}

impl<T: Plain> UserPtr<T> {
    pub fn read(self) -> Result<T> {
        self.read_with(|value| *value)
    }

    /// Reads the value and lends it, so that a big one is not moved.
    pub fn read_with<R>(self, use_value: impl FnOnce(&T) -> R) -> Result<R> {
        let mut value = MaybeUninit::<T>::uninit();
        let (to, length) = (value.as_mut_ptr().cast(), size_of::<T>());
        check(self.address, length)?;
        // SAFETY: `to` is valid for writes of `length`; the user range is checked and faults are
        // caught by the copy routine.
        unsafe { usercopy::copy_from_user(to, self.address, length) }.map_err(|_| Errno::EFAULT)?;
        // SAFETY: every byte was copied, and `T: Plain` accepts every bit pattern.
        Ok(use_value(unsafe { value.assume_init_ref() }))
    }

    /// Writes `value`. Structs with padding must have been zeroed first, or stack bytes leak.
    pub fn write(self, value: T) -> Result<()> {
        self.write_from(&value)
    }

    /// The same, without moving a big value.
    pub fn write_from(self, value: &T) -> Result<()> {
        let pointer = (&raw const *value).cast::<u8>();
        // SAFETY: `value` is live for the slice's lifetime and `size_of::<T>()` bytes long.
        copy_out(self.address, unsafe {
            core::slice::from_raw_parts(pointer, size_of::<T>())
        })
    }

    /// Reads `count` elements; refuses more than `limit` with `EINVAL`, and what there is no
    /// memory for with `ENOMEM`.
    pub fn read_array(self, count: usize, limit: usize) -> Result<Vec<T>> {
        if count > limit {
            return Err(Errno::EINVAL);
        }
        let mut array = Vec::new();
        array.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        for index in 0..count {
            array.push(self.element(index).read()?);
        }
        Ok(array)
    }
}

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

/// Reads a NUL-terminated string of at most `limit` bytes (without the NUL), `ENAMETOOLONG` past it.
pub fn read_c_bytes(address: usize, limit: usize) -> Result<Vec<u8>> {
    const CHUNK: usize = 64;
    let mut bytes = Vec::new();
    while bytes.len() <= limit {
        let at = address.wrapping_add(bytes.len());
        // Never reads past the end of the page that holds `at`: the next one may be unmapped.
        let mut chunk = [0u8; CHUNK];
        let chunk = &mut chunk[..CHUNK.min(4096 - at % 4096)];
        copy_in(at, chunk)?;
        let end = chunk.iter().position(|&byte| byte == 0);
        bytes.try_reserve(CHUNK).map_err(|_| Errno::ENOMEM)?;
        bytes.extend_from_slice(&chunk[..end.unwrap_or(chunk.len())]);
        if end.is_some() && bytes.len() <= limit {
            return Ok(bytes);
        }
    }
    Err(Errno::ENAMETOOLONG)
}

/// As [`read_c_bytes`], for text; `EINVAL` when it is not UTF-8.
pub fn read_c_string(address: usize, limit: usize) -> Result<String> {
    String::from_utf8(read_c_bytes(address, limit)?).map_err(|_| Errno::EINVAL)
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

/// Where a `read`-like call puts its bytes.
pub enum Sink<'a> {
    Kernel(&'a mut [u8]),
    /// The range being filled, then those after it.
    User(UserSlice, &'a [UserSlice]),
}

impl<'a> Sink<'a> {
    pub fn user(address: usize, length: usize) -> Sink<'static> {
        Sink::User(UserSlice::new(address, length), &[])
    }

    pub fn user_vectors(vectors: &'a [UserSlice]) -> Self {
        Sink::User(UserSlice::new(0, 0), vectors)
    }

    /// How many bytes still fit.
    pub fn remaining(&self) -> usize {
        match self {
            Sink::Kernel(buffer) => buffer.len(),
            Sink::User(current, rest) => total(*current, rest),
        }
    }

    /// Puts as much of `data` as fits; `EFAULT` when the destination cannot be written.
    pub fn put(&mut self, data: &[u8]) -> Result<usize> {
        match self {
            Sink::Kernel(buffer) => {
                let count = data.len().min(buffer.len());
                let (now, later) = core::mem::take(buffer).split_at_mut(count);
                now.copy_from_slice(&data[..count]);
                *buffer = later;
                Ok(count)
            }
            Sink::User(current, rest) => {
                each_range(current, rest, data.len(), |address, from, count| {
                    copy_out(address, &data[from..from + count])
                })
            }
        }
    }

    /// Puts `length` zero bytes, or as many as fit.
    pub fn put_zeros(&mut self, length: usize) -> Result<usize> {
        match self {
            Sink::Kernel(buffer) => {
                let count = length.min(buffer.len());
                let (now, later) = core::mem::take(buffer).split_at_mut(count);
                now.fill(0);
                *buffer = later;
                Ok(count)
            }
            Sink::User(current, rest) => each_range(current, rest, length, |address, _, count| {
                zero_out(address, count)
            }),
        }
    }
}

/// Where a `write`-like call takes its bytes from.
pub enum Source<'a> {
    Kernel(&'a [u8]),
    /// The range being taken, then those after it.
    User(UserSlice, &'a [UserSlice]),
}

impl<'a> Source<'a> {
    pub fn user(address: usize, length: usize) -> Source<'static> {
        Source::User(UserSlice::new(address, length), &[])
    }

    pub fn user_vectors(vectors: &'a [UserSlice]) -> Self {
        Source::User(UserSlice::new(0, 0), vectors)
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        match self {
            Source::Kernel(buffer) => buffer.len(),
            Source::User(current, rest) => total(*current, rest),
        }
    }

    /// Keeps at most the first `length` bytes; of several ranges, those that fit whole.
    pub fn truncate(&mut self, length: usize) {
        match self {
            Source::Kernel(buffer) => *buffer = &buffer[..length.min(buffer.len())],
            Source::User(current, rest) => {
                while let ([next, later @ ..], 0) = (*rest, current.length) {
                    (*current, *rest) = (*next, later);
                }
                current.length = current.length.min(length);
                let mut room = length - current.length;
                let fits = |slice: &&UserSlice| {
                    let left = room.checked_sub(slice.length);
                    room = left.unwrap_or(0);
                    left.is_some()
                };
                *rest = &rest[..rest.iter().take_while(fits).count()];
            }
        }
    }

    /// Takes up to `out.len()` bytes; `EFAULT` when they cannot be read.
    pub fn take(&mut self, out: &mut [u8]) -> Result<usize> {
        match self {
            Source::Kernel(buffer) => {
                let count = out.len().min(buffer.len());
                let (now, later) = buffer.split_at(count);
                out[..count].copy_from_slice(now);
                *buffer = later;
                Ok(count)
            }
            Source::User(current, rest) => {
                each_range(current, rest, out.len(), |address, from, count| {
                    copy_in(address, &mut out[from..from + count])
                })
            }
        }
    }

    /// The same at the end of `out`: up to `count` bytes, as far as its memory has been set aside.
    pub fn append(&mut self, out: &mut Vec<u8>, count: usize) -> Result<usize> {
        let count = count.min(out.capacity() - out.len());
        match self {
            Source::Kernel(buffer) => {
                let (now, later) = buffer.split_at(count.min(buffer.len()));
                out.extend_from_slice(now);
                *buffer = later;
                Ok(now.len())
            }
            Source::User(current, rest) => each_range(current, rest, count, |address, _, count| {
                copy_in_after(address, out, count)
            }),
        }
    }
}

fn total(current: UserSlice, rest: &[UserSlice]) -> usize {
    rest.iter()
        .fold(current.length, |sum, slice| sum + slice.length)
}

/// Walks up to `length` bytes of the ranges, calling `copy(address, offset, count)` for each piece.
/// What was moved before a fault counts; a fault at once is the error.
#[inline(always)]
fn each_range(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_addresses_are_refused() {
        let mut byte = [0];
        assert_eq!(
            copy_in(0xffff_0000_0000_0000, &mut byte),
            Err(Errno::EFAULT)
        );
        assert_eq!(copy_in(usize::MAX, &mut byte), Err(Errno::EFAULT));
        assert_eq!(copy_out(USER_END, &byte), Err(Errno::EFAULT));
    }

    #[test]
    fn kernel_sink_and_source_move_what_fits() {
        let mut buffer = [0u8; 4];
        let mut sink = Sink::Kernel(&mut buffer);
        assert_eq!(sink.put(b"abc"), Ok(3));
        assert_eq!(sink.put(b"def"), Ok(1));
        assert_eq!(sink.remaining(), 0);
        assert_eq!(&buffer, b"abcd");
        let mut out = [0u8; 8];
        assert_eq!(Source::Kernel(&buffer).take(&mut out), Ok(4));
        let mut vec = Vec::with_capacity(8);
        vec.push(b'>');
        let mut source = Source::Kernel(&buffer);
        assert_eq!(source.append(&mut vec, 3), Ok(3));
        assert_eq!(vec, b">abc");
        assert_eq!((source.append(&mut vec, 3), source.remaining()), (Ok(1), 0));
    }

    #[test]
    fn a_truncated_source_ends_in_its_first_range_or_after_a_whole_one() {
        let ranges = [
            UserSlice::new(0, 0),
            UserSlice::new(0x1000, 10),
            UserSlice::new(0x2000, 10),
        ];
        for (length, left) in [(0, 0), (4, 4), (10, 10), (15, 10), (20, 20), (99, 20)] {
            let mut source = Source::user_vectors(&ranges);
            source.truncate(length);
            assert_eq!(source.remaining(), left, "{length}");
        }
        let mut source = Source::Kernel(b"abcdef");
        source.truncate(2);
        assert_eq!(source.remaining(), 2);
    }
}
