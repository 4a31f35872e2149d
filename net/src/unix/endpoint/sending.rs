//! Sending through a UNIX socket: where to, and one message or piece of a stream at a time.

use super::{Link, STREAM_PIECE, UnixSocket};
use crate::unix::queue::{Message as Queued, Mode, buffer};
use crate::{Address, Ancillary, ByteSource, Credentials, Error, Ready, Result};
use alloc::sync::Arc;

/// What a send starts from.
pub(super) struct Sending {
    /// How much may wait at the receiver.
    pub limit: usize,
    /// The last send found no room.
    pub stuck: bool,
    /// As [`UnixSocket::peer`] gives it.
    pub peer: Result<Option<Arc<UnixSocket>>>,
}

impl UnixSocket {
    /// Whether a send may start, and what it starts from.
    pub(super) fn prepare_send(&self) -> Result<Sending> {
        let mut state = self.state.lock();
        if let Some(error) = state.error.take() {
            return Err(error);
        }
        if state.mute {
            return Err(Error::BrokenPipe);
        }
        let peer = match &state.link {
            Link::Peer { socket, .. } => Ok(socket.upgrade()),
            _ => Err(Error::NotConnected),
        };
        let (limit, stuck) = (state.options.send_buffer, state.stuck_at.is_some());
        Ok(Sending { limit, stuck, peer })
    }

    /// Where a datagram goes.
    pub(super) fn destination(&self, to: Option<&Address>) -> Result<Arc<UnixSocket>> {
        let target = match to {
            Some(Address::Unix(address)) => self.names.find(address)?,
            Some(_) => return Err(Error::WrongFamily),
            None => self.peer()?.ok_or(Error::ConnectionRefused)?,
        };
        if target.kind != self.kind {
            return Err(Error::WrongType);
        }
        match &target.state.lock().link {
            Link::Peer { socket, .. } if !socket.ptr_eq(&self.me) => Err(Error::NotPermitted),
            _ => Ok(()),
        }?;
        Ok(target)
    }

    pub(super) fn take_pending_error(&self) -> Result<()> {
        match self.state.lock().error.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Sends one message, or one piece of a stream.
    pub(super) fn send_piece(
        &self,
        target: &Arc<UnixSocket>,
        data: &mut dyn ByteSource,
        ancillary: &mut Ancillary,
        sender: Credentials,
        limit: usize,
    ) -> Result<usize> {
        let wanted = match self.mode {
            Mode::Stream => data.remaining().min(STREAM_PIECE),
            Mode::Messages => data.remaining(),
        };
        let (length, spare) = target
            .queue
            .room(wanted, limit)
            .map_err(|error| match error {
                Error::WouldBlock => self.stick(target),
                error => error,
            })?;
        let mut bytes = buffer(spare, length, self.mode)?;
        while bytes.len() < length {
            let left = length - bytes.len();
            match data.append(&mut bytes, left) {
                Ok(1..) => {}
                Ok(0) | Err(_) if self.mode == Mode::Stream && !bytes.is_empty() => break,
                Ok(0) | Err(_) => return Err(Error::Fault),
            }
        }
        let filled = bytes.len();
        let from = self.is_datagram().then(|| Address::Unix(self.address()));
        let ancillary = core::mem::take(ancillary);
        let waiting = target.queue.push(Queued {
            bytes,
            taken: 0,
            from,
            sender,
            ancillary,
        })?;
        target.received();
        if waiting * 2 > limit {
            self.refresh(Ready::empty());
        }
        Ok(filled)
    }
}
