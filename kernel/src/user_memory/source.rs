//! Where bytes come from.

use super::copy::{copy_in, copy_in_after};
use super::range::{UserSlice, each_range, total};
use crate::error::Result;
use alloc::vec::Vec;

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
