//! Where sockets take bytes from and put them: user memory in the kernel, slices in tests.

use alloc::vec::Vec;

/// The other side's memory could not be accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faulted;

impl From<Faulted> for crate::Error {
    fn from(_: Faulted) -> Self {
        crate::Error::Fault
    }
}

/// Bytes to be sent, taken in order.
pub trait ByteSource {
    fn remaining(&self) -> usize;

    /// Fills as much of `out` as there is; what was taken before a fault counts.
    fn take(&mut self, out: &mut [u8]) -> Result<usize, Faulted>;

    /// The same at the end of `out`: up to `count` bytes, and no more than it has set memory aside
    /// for, which needs no clearing first.
    fn append(&mut self, out: &mut Vec<u8>, count: usize) -> Result<usize, Faulted>;
}

/// Room for received bytes, filled in order.
pub trait ByteSink {
    fn remaining(&self) -> usize;

    /// Stores as much of `data` as fits; what was stored before a fault counts.
    fn put(&mut self, data: &[u8]) -> Result<usize, Faulted>;
}

impl ByteSource for &[u8] {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn take(&mut self, out: &mut [u8]) -> Result<usize, Faulted> {
        let count = out.len().min(self.len());
        let (now, later) = self.split_at(count);
        out[..count].copy_from_slice(now);
        *self = later;
        Ok(count)
    }

    fn append(&mut self, out: &mut Vec<u8>, count: usize) -> Result<usize, Faulted> {
        let count = count.min(self.len()).min(out.capacity() - out.len());
        let (now, later) = self.split_at(count);
        out.extend_from_slice(now);
        *self = later;
        Ok(count)
    }
}

impl ByteSink for &mut [u8] {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn put(&mut self, data: &[u8]) -> Result<usize, Faulted> {
        let count = data.len().min(self.len());
        let (now, later) = core::mem::take(self).split_at_mut(count);
        now.copy_from_slice(&data[..count]);
        *self = later;
        Ok(count)
    }
}
