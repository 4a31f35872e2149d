//! A pointer to one value, or to the first of an array.

use super::Plain;
use super::copy::{check, copy_out};
use crate::arch::usercopy;
use crate::error::{Errno, Result};
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::mem::{MaybeUninit, size_of};

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
