//! Receiving from a stream. A receiver takes the bytes of the first message along while it copies
//! them outside the lock; the message keeps its place, and grows no more until they are back.

use super::{Message, Queue};
use crate::{Ancillary, ByteSink, Credentials, Error, Received, Result};
use alloc::vec::Vec;

/// The bytes of the first message, in the hands of the one who holds `reading`.
struct Lent {
    bytes: Vec<u8>,
    taken: usize,
    sender: Credentials,
    ancillary: Ancillary,
}

impl Queue {
    /// Receives as much as fits; ends before bytes that carry files or come from somebody else
    /// (unix(7)). `reading` is held.
    pub(super) fn receive_stream(
        &self,
        data: &mut dyn ByteSink,
        peek: bool,
    ) -> Result<Option<(Received, Credentials)>> {
        let Some(first) = self.lend(|_| true)? else {
            return Ok(None);
        };
        let Lent {
            bytes,
            taken,
            sender,
            ancillary,
        } = first;
        let stored = data.put(&bytes[taken..]);
        let moved = stored.as_ref().map_or(0, |&stored| stored);
        let emptied = self.give_back(bytes, if peek { 0 } else { moved });
        let mut length = stored?;
        if emptied {
            length += self.receive_more(data, sender);
        }
        let received = Received {
            length,
            full_length: length,
            from: None,
            ancillary,
        };
        Ok(Some((received, sender)))
    }

    /// Goes on with the messages that a receive may run into.
    fn receive_more(&self, data: &mut dyn ByteSink, sender: Credentials) -> usize {
        let alike = |next: &Message| next.sender == sender && next.ancillary.is_empty();
        let mut length = 0;
        while data.remaining() > 0 {
            let Ok(Some(next)) = self.lend(alike) else {
                break;
            };
            let stored = data.put(&next.bytes[next.taken..]).unwrap_or(0);
            length += stored;
            if !self.give_back(next.bytes, stored) {
                break;
            }
        }
        length
    }

    /// Takes the bytes of the first message along, if there is one and it is `wanted`.
    fn lend(&self, wanted: impl FnOnce(&Message) -> bool) -> Result<Option<Lent>> {
        let mut list = self.list.lock();
        let ended = list.finished || list.broken;
        let Some(first) = list.messages.front_mut() else {
            return if ended {
                Ok(None)
            } else {
                Err(Error::WouldBlock)
            };
        };
        Ok(wanted(first).then(|| Lent {
            bytes: core::mem::take(&mut first.bytes),
            taken: first.taken,
            sender: first.sender,
            ancillary: first.ancillary.clone(),
        }))
    }

    /// Puts them back, of which `moved` more were received. Says whether that was the last of them.
    fn give_back(&self, bytes: Vec<u8>, moved: usize) -> bool {
        let mut guard = self.list.lock();
        let list = &mut *guard;
        let Some(first) = list.messages.front_mut() else {
            return false; // Broken off meanwhile.
        };
        if moved > 0 {
            // The receiver has a share of what travels with the first byte.
            first.ancillary = Ancillary::default();
        }
        first.taken += moved;
        list.bytes -= moved;
        list.cost -= moved;
        let emptied = first.taken == bytes.len();
        if emptied {
            list.cost -= super::MESSAGE_OVERHEAD;
            list.messages.pop_front();
            list.keep(bytes);
        } else {
            first.bytes = bytes;
        }
        emptied
    }
}
