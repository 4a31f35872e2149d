//! Where bytes go.

use super::copy::{copy_out, zero_out};
use super::range::{UserSlice, each_range, total};
use crate::error::Result;

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
