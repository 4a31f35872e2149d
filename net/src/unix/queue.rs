//! Messages waiting to be received by one endpoint.
//!
//! A spin lock guards the list; bytes are copied from and to their users outside it. Receivers hold
//! the `reading` lock while they copy, so that a message is never torn between two of them.

mod stream;

use crate::{Address, Ancillary, ByteSink, Credentials, Error, Received, Result};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem::take;
use smp::{Mutex, SpinLock};

/// What a queued message costs besides its bytes.
const MESSAGE_OVERHEAD: usize = 64;
/// Stream bytes are gathered in blocks of at least this size, so that small writes stay cheap.
const STREAM_BLOCK: usize = 2048;

/// How a queue keeps message boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Stream,
    /// Datagrams and sequenced packets.
    Messages,
}

pub(super) struct Message {
    pub bytes: Vec<u8>,
    /// How much of `bytes` has been received.
    pub taken: usize,
    pub from: Option<Address>,
    pub sender: Credentials,
    pub ancillary: Ancillary,
}

impl Message {
    fn left(&self) -> usize {
        self.bytes.len() - self.taken
    }

    fn cost(&self) -> usize {
        self.left() + MESSAGE_OVERHEAD
    }

    /// Whether `next` can become part of this message without anyone noticing.
    fn can_grow_by(&self, next: &Message) -> bool {
        self.sender == next.sender
            && next.ancillary.is_empty()
            && self.bytes.capacity() - self.bytes.len() >= next.bytes.len()
    }
}

#[derive(Default)]
struct List {
    messages: VecDeque<Message>,
    /// Of all messages together: bytes still to be received, and those with overhead.
    bytes: usize,
    cost: usize,
    /// An empty block of a stream, for its next bytes.
    spare: Vec<u8>,
    /// No more will come: the senders' side is closed.
    finished: bool,
    /// Nobody will receive any more.
    broken: bool,
}

impl List {
    /// Keeps a block whose bytes are not needed any more, if none is kept.
    fn keep(&mut self, mut block: Vec<u8>) {
        if self.spare.capacity() == 0 && block.capacity() == STREAM_BLOCK {
            block.clear();
            self.spare = block;
        }
    }
}

pub(super) struct Queue {
    mode: Mode,
    list: SpinLock<List>,
    reading: Mutex<()>,
}

/// What a look at a queue shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    pub bytes: usize,
    pub messages: usize,
    pub cost: usize,
    pub finished: bool,
    pub broken: bool,
}

impl Queue {
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            list: SpinLock::new(List::default()),
            reading: Mutex::new(()),
        }
    }

    pub fn level(&self) -> Level {
        let list = self.list.lock();
        Level {
            bytes: list.bytes,
            messages: list.messages.len(),
            cost: list.cost,
            finished: list.finished,
            broken: list.broken,
        }
    }

    /// The length of what the next receive can give (`FIONREAD`).
    pub fn next_length(&self) -> usize {
        let list = self.list.lock();
        match self.mode {
            Mode::Stream => list.bytes,
            Mode::Messages => list.messages.front().map_or(0, Message::left),
        }
    }

    /// How many bytes may be added now: of a stream any number but 0, of messages all `length`.
    /// Senders that check at the same time may together exceed the limit a little.
    ///
    /// With it comes the empty block, if one is kept, for [`buffer`].
    pub fn room(&self, length: usize, limit: usize) -> Result<(usize, Vec<u8>)> {
        let mut list = self.list.lock();
        if list.broken || list.finished {
            return Err(Error::BrokenPipe);
        }
        let room = limit
            .saturating_sub(list.cost + MESSAGE_OVERHEAD)
            .min(length);
        match self.mode {
            Mode::Messages if length + MESSAGE_OVERHEAD > limit => Err(Error::MessageTooLong),
            Mode::Messages if room < length && !list.messages.is_empty() => Err(Error::WouldBlock),
            Mode::Messages => Ok((length, Vec::new())),
            Mode::Stream if room == 0 && length > 0 => Err(Error::WouldBlock),
            Mode::Stream => Ok((room, take(&mut list.spare))),
        }
    }

    /// Adds a message, unless nobody will receive it. Returns the cost of all that waits now.
    pub fn push(&self, message: Message) -> Result<usize> {
        let mut guard = self.list.lock();
        let list = &mut *guard;
        if list.broken || list.finished {
            drop(guard);
            drop(message);
            return Err(Error::BrokenPipe);
        }
        if self.mode == Mode::Stream
            && let Some(last) = list.messages.back_mut()
            && last.can_grow_by(&message)
        {
            last.bytes.extend_from_slice(&message.bytes);
            list.cost += message.bytes.len();
            list.bytes += message.bytes.len();
            list.keep(message.bytes);
            return Ok(list.cost);
        }
        list.cost += message.cost();
        list.bytes += message.left();
        list.messages.push_back(message);
        Ok(list.cost)
    }

    /// Whether a receive would have to wait.
    pub fn is_idle(&self) -> bool {
        let list = self.list.lock();
        list.messages.is_empty() && !list.finished && !list.broken
    }

    /// Nothing more will be sent.
    pub fn finish(&self) {
        self.list.lock().finished = true;
    }

    /// Nothing more will be received: drops what waits.
    pub fn break_off(&self) {
        let mut list = self.list.lock();
        list.broken = true;
        (list.bytes, list.cost) = (0, 0);
        let (messages, spare) = (take(&mut list.messages), take(&mut list.spare));
        drop(list);
        // May close files that were travelling: not under the lock.
        drop((messages, spare));
    }

    fn take(&self) -> Result<Option<Message>> {
        let mut list = self.list.lock();
        let message = list.messages.pop_front();
        match &message {
            Some(message) => {
                list.cost -= message.cost();
                list.bytes -= message.left();
            }
            None if list.finished || list.broken => {}
            None => return Err(Error::WouldBlock),
        }
        Ok(message)
    }

    fn put_back(&self, message: Message) {
        let mut list = self.list.lock();
        if !list.broken {
            list.cost += message.cost();
            list.bytes += message.left();
            list.messages.push_front(message);
        }
    }

    /// Receives into `data`: one message, or as much of a stream as fits. `None` is the end.
    pub fn receive(
        &self,
        data: &mut dyn ByteSink,
        peek: bool,
    ) -> Result<Option<(Received, Credentials)>> {
        let _reading = self.reading.lock();
        match self.mode {
            Mode::Stream => self.receive_stream(data, peek),
            Mode::Messages => self.receive_message(data, peek),
        }
    }

    fn receive_message(
        &self,
        data: &mut dyn ByteSink,
        peek: bool,
    ) -> Result<Option<(Received, Credentials)>> {
        let Some(message) = self.take()? else {
            return Ok(None);
        };
        let sender = message.sender;
        let before = message.taken;
        let stored = match data.put(&message.bytes[before..]) {
            Ok(stored) => stored,
            Err(faulted) => {
                self.put_back(message);
                return Err(faulted.into());
            }
        };
        let received = Received {
            length: stored,
            full_length: message.left(),
            from: message.from.clone(),
            ancillary: message.ancillary.clone(),
        };
        if peek {
            self.put_back(message);
        }
        Ok(Some((received, sender)))
    }
}

/// Room for `length` bytes of a message, with slack for a stream's next ones: `spare` if it will do.
pub(super) fn buffer(spare: Vec<u8>, length: usize, mode: Mode) -> Result<Vec<u8>> {
    if spare.capacity() >= length.max(1) {
        return Ok(spare);
    }
    let capacity = if mode == Mode::Stream {
        length.max(STREAM_BLOCK)
    } else {
        length
    };
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(capacity)
        .map_err(|_| Error::NoBuffers)?;
    Ok(bytes)
}
