//! User memory: every pointer from user space is an allegation, checked when it is used.
//!
//! [`UserPtr`] reads and writes one value, [`UserSlice`] a range of bytes, [`Sink`] and [`Source`]
//! are what `read`- and `write`-like calls move bytes through (user iovecs or kernel buffers).
//! Any copy may fault pages in and so may sleep: never under a spin lock. A bad address is
//! `EFAULT`, and the kernel half of the address space is never a user address.

mod copy;
mod pointer;
mod range;
mod sink;
mod source;
mod string;
#[cfg(test)]
mod tests;

pub use copy::{USER_END, copy_in, copy_out, zero_out};
pub use pointer::UserPtr;
pub use range::{IoVec, UserSlice, read_iovecs};
pub use sink::Sink;
pub use source::Source;
pub use string::{read_c_bytes, read_c_string};

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
