//! Moving bytes between callers and a TCP connection's buffers.

use crate::tcp::Channel;
use crate::{ByteSink, ByteSource, Error, Result};
use smoltcp::socket::tcp;

/// Moves bytes into the send buffer, which is a ring: at most two pieces.
pub(super) fn fill(socket: &mut tcp::Socket<'_>, data: &mut dyn ByteSource) -> Result<usize> {
    let mut sent = 0;
    while data.remaining() > 0 && socket.can_send() {
        let moved = socket.send(|room| match data.take(room) {
            Ok(count) => (count, Ok(count)),
            Err(faulted) => (0, Err(faulted)),
        });
        match moved.map_err(|_| Error::BrokenPipe)? {
            Ok(0) => break,
            Ok(count) => sent += count,
            Err(faulted) if sent == 0 => return Err(faulted.into()),
            Err(_) => break,
        }
    }
    if sent == 0 && data.remaining() > 0 {
        Err(Error::WouldBlock)
    } else {
        Ok(sent)
    }
}

/// Moves received bytes out, or copies them when peeking.
pub(super) fn drain(
    socket: &mut tcp::Socket<'_>,
    data: &mut dyn ByteSink,
    peek: bool,
) -> Result<usize> {
    if peek {
        let bytes = socket.peek(data.remaining()).unwrap_or(&[]);
        return Ok(data.put(bytes)?);
    }
    let mut received = 0;
    while data.remaining() > 0 && socket.can_recv() {
        let moved = socket.recv(|bytes| match data.put(bytes) {
            Ok(count) => (count, Ok(count)),
            Err(faulted) => (0, Err(faulted)),
        });
        match moved {
            Ok(Ok(count @ 1..)) => received += count,
            Ok(Err(faulted)) if received == 0 => return Err(faulted.into()),
            _ => break,
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
