//! Bulk transfers: a stream's reader that ran after each of a long run of writes would cost two
//! switches for every one of them. Whoever a thread wakes in a bulk transfer does not preempt it,
//! but runs when it waits, or when its request is served, or on another CPU that is idle. What
//! interrupts wake is not held up.

use crate::runtime::current;
use crate::thread::ThreadRef;

/// The calling thread is in a bulk transfer while this lives.
#[must_use = "the transfer ends when this is dropped"]
pub struct BulkTransfer(ThreadRef);

impl BulkTransfer {
    /// What is moved in one call from this many bytes on is bulk: more than a message. A page, as
    /// `PIPE_BUF` is.
    pub const LEAST: usize = 4096;

    /// Begins one, if `length` bytes are that many.
    pub fn begin(length: usize) -> Option<Self> {
        (length >= Self::LEAST).then(|| {
            let thread = current();
            thread.set_moves_bulk(true);
            Self(thread)
        })
    }
}

impl Drop for BulkTransfer {
    fn drop(&mut self) {
        self.0.set_moves_bulk(false);
    }
}
