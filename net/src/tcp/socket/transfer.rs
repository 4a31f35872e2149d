//! Moving bytes between callers and a TCP connection's buffers.

use crate::tcp::Channel;
use crate::tcp::direct::Ring;
use crate::{ByteSink, ByteSource, Error, Result};
use smoltcp::socket::tcp::Socket;

/// A buffer that is a ring: filled and emptied in at most two pieces.
pub(super) trait Buffer {
    /// Lets `fill` write to free space and say how much; `None` when there is none.
    fn push<R>(&mut self, fill: impl FnOnce(&mut [u8]) -> (usize, R)) -> Option<R>;

    /// Lets `take` read the oldest bytes and say how many it took; `None` when there are none.
    fn pop<R>(&mut self, take: impl FnOnce(&[u8]) -> (usize, R)) -> Option<R>;
}

/// The send buffer and the receive buffer.
impl Buffer for Socket<'_> {
    fn push<R>(&mut self, fill: impl FnOnce(&mut [u8]) -> (usize, R)) -> Option<R> {
        self.can_send().then(|| self.send(fill).ok())?
    }

    fn pop<R>(&mut self, take: impl FnOnce(&[u8]) -> (usize, R)) -> Option<R> {
        self.can_recv()
            .then(|| self.recv(|bytes| take(bytes)).ok())?
    }
}

impl Buffer for Ring {
    fn push<R>(&mut self, fill: impl FnOnce(&mut [u8]) -> (usize, R)) -> Option<R> {
        (!self.is_full()).then(|| self.enqueue_many_with(fill).1)
    }

    fn pop<R>(&mut self, take: impl FnOnce(&[u8]) -> (usize, R)) -> Option<R> {
        (!self.is_empty()).then(|| self.dequeue_many_with(|bytes| take(bytes)).1)
    }
}

/// Moves bytes in.
pub(super) fn fill(buffer: &mut impl Buffer, data: &mut dyn ByteSource) -> Result<usize> {
    let mut sent = 0;
    while data.remaining() > 0 {
        let moved = buffer.push(|room| match data.take(room) {
            Ok(count) => (count, Ok(count)),
            Err(faulted) => (0, Err(faulted)),
        });
        match moved {
            Some(Ok(count @ 1..)) => sent += count,
            Some(Err(faulted)) if sent == 0 => return Err(faulted.into()),
            _ => break,
        }
    }
    if sent == 0 && data.remaining() > 0 {
        Err(Error::WouldBlock)
    } else {
        Ok(sent)
    }
}

/// Moves bytes out, or copies the first of them when peeking.
pub(super) fn drain(
    buffer: &mut impl Buffer,
    data: &mut dyn ByteSink,
    peek: bool,
) -> Result<usize> {
    let mut received = 0;
    while data.remaining() > 0 {
        let moved = buffer.pop(|bytes| match data.put(bytes) {
            Ok(count) if peek => (0, Ok(count)),
            Ok(count) => (count, Ok(count)),
            Err(faulted) => (0, Err(faulted)),
        });
        match moved {
            Some(Ok(count @ 1..)) => received += count,
            Some(Err(faulted)) if received == 0 => return Err(faulted.into()),
            _ => break,
        }
        if peek {
            break;
        }
    }
    Ok(received)
}

/// Bytes that were saved when the connection was cleared. They are few: copied out and put back.
pub(super) fn take_late(channel: &Channel, data: &mut dyn ByteSink, peek: bool) -> Result<usize> {
    let mut late = {
        let mut late = channel.late.lock();
        if late.is_empty() {
            return Ok(0);
        }
        core::mem::take(&mut *late)
    };
    let moved = data.put(late.make_contiguous());
    if let (Ok(count), false) = (moved, peek) {
        late.drain(..count);
    }
    *channel.late.lock() = late;
    Ok(moved?)
}
