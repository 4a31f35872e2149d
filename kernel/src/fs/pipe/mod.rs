//! Pipes (pipe(7)) and FIFOs (fifo(7)): bytes from writers to readers through a ring.
//!
//! The ring is behind a sleeping mutex that is held across the copies to and from user memory.
//! A [`PipeEnd`] is what a descriptor refers to; the pipe counts its ends, and the last one of a
//! side leaving is end-of-file for the readers, `EPIPE` and `SIGPIPE` for the writers.

mod fifo;
mod ring;
#[cfg(test)]
mod tests;

pub use fifo::open_fifo;

use super::file::{File, IoMode, PollEvents};
use super::node::FileType;
use super::open_file::{OpenFile, OpenFlags};
use crate::error::{Errno, Result};
use crate::process::{self, Capabilities, SigInfo, Signal};
use crate::user_memory::{Sink, Source, UserPtr};
use crate::wait::interruptible;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use linux_raw_sys::general::{F_GETPIPE_SZ, F_SETPIPE_SZ};
use linux_raw_sys::ioctl::FIONREAD;
use ring::Ring;
use smp::{BulkTransfer, Mutex, MutexGuard, Observers, WaitQueue};

/// Writes of up to this many bytes are not mixed with others (`PIPE_BUF`, limits.h).
pub const PIPE_BUF: usize = 4096;
/// What a pipe holds unless told otherwise.
const DEFAULT_CAPACITY: usize = 64 * 1024;
/// What an unprivileged process may ask for (/proc/sys/fs/pipe-max-size).
pub const MAX_UNPRIVILEGED_CAPACITY: usize = 1024 * 1024;

/// What the ends share.
pub struct Pipe {
    state: Mutex<State>,
    /// Readers wait here for bytes or the last writer's end.
    readable: WaitQueue,
    /// Writers wait here for room or the last reader's end.
    writable: WaitQueue,
    observers: Observers,
    readers: AtomicUsize,
    writers: AtomicUsize,
    /// How many ends of each side there ever were: a FIFO's open waits for a change.
    reader_opens: AtomicUsize,
    writer_opens: AtomicUsize,
    /// Tells pipes apart in /proc.
    serial: u64,
}

struct State {
    ring: Ring,
    /// The room that some waiting writer would be content with; `usize::MAX`: nobody waits.
    wanted_room: usize,
}

/// One side of a pipe, or both (a FIFO opened for reading and writing).
pub struct PipeEnd {
    pipe: Arc<Pipe>,
    reads: bool,
    writes: bool,
    /// `Pipe::writer_opens` when this end was made: a reader that never had a writer sees no
    /// hang-up.
    writers_before: usize,
}

/// Makes a pipe: its reading and its writing end. `flags` may hold `NONBLOCK`.
pub fn new(flags: OpenFlags) -> (Arc<OpenFile>, Arc<OpenFile>) {
    let pipe = Pipe::new();
    let reader = PipeEnd::new(&pipe, true, false);
    let writer = PipeEnd::new(&pipe, false, true);
    (
        OpenFile::new(Arc::new(reader), flags | OpenFlags::RDONLY),
        OpenFile::new(Arc::new(writer), flags | OpenFlags::WRONLY),
    )
}

impl Pipe {
    fn new() -> Arc<Self> {
        static NEXT_SERIAL: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            state: Mutex::new(State {
                ring: Ring::new(DEFAULT_CAPACITY),
                wanted_room: usize::MAX,
            }),
            readable: WaitQueue::new(),
            writable: WaitQueue::new(),
            observers: Observers::new(),
            readers: AtomicUsize::new(0),
            writers: AtomicUsize::new(0),
            reader_opens: AtomicUsize::new(0),
            writer_opens: AtomicUsize::new(0),
            serial: NEXT_SERIAL.fetch_add(1, Ordering::Relaxed),
        })
    }

    fn has_readers(&self) -> bool {
        self.readers.load(Ordering::SeqCst) != 0
    }

    fn has_writers(&self) -> bool {
        self.writers.load(Ordering::SeqCst) != 0
    }

    /// Moves what there is into `sink`; `None` to wait for more.
    #[inline]
    fn try_read(&self, sink: &mut Sink<'_>) -> Option<Result<usize>> {
        // Asked before the ring is looked at: what a writer wrote before it left is read first.
        let more_may_come = self.has_writers();
        let state = self.state.lock();
        match state.ring.is_empty() {
            true if more_may_come => None,
            true => Some(Ok(0)),
            false => Some(self.read_some(state, sink)),
        }
    }

    /// Moves what is in the ring, and tells who waits for what that changes.
    #[inline(never)]
    fn read_some(&self, mut state: MutexGuard<'_, State>, sink: &mut Sink<'_>) -> Result<usize> {
        let result = state.ring.read(sink);
        let wake_writers = state.ring.room() >= state.wanted_room;
        if wake_writers {
            state.wanted_room = usize::MAX;
        }
        let (leftover, roomy) = (!state.ring.is_empty(), state.ring.room() >= PIPE_BUF);
        drop(state);
        if wake_writers {
            self.writable.wake_all();
        }
        if leftover {
            self.readable.wake_one();
        }
        if roomy {
            self.observers
                .notify((PollEvents::OUT | PollEvents::WRNORM).bits());
        }
        result
    }

    /// Moves what fits from `source`; `None` to wait for room.
    fn try_write(&self, source: &mut Source<'_>) -> Option<Result<usize>> {
        let mut state = self.state.lock();
        if !self.has_readers() {
            return Some(Err(Errno::EPIPE));
        }
        let wanted = source.remaining().min(PIPE_BUF);
        if state.ring.room() < wanted {
            state.wanted_room = state.wanted_room.min(wanted);
            return None;
        }
        let result = state.ring.write(source);
        drop(state);
        self.readable.wake_one();
        self.observers
            .notify((PollEvents::IN | PollEvents::RDNORM).bits());
        Some(result)
    }

    /// Writes all of `source`, or what can be without waiting.
    fn write(&self, source: &mut Source<'_>, mode: IoMode) -> Result<usize> {
        let mut written = 0;
        while source.remaining() > 0 {
            let moved = if mode.nonblocking {
                self.write_some_now(source)
            } else {
                interruptible(&self.writable, None, || self.try_write(source))
                    .and_then(|moved| moved)
            };
            match moved {
                Ok(count) => written += count,
                Err(Errno::EPIPE) => {
                    raise_sigpipe();
                    return if written > 0 {
                        Ok(written)
                    } else {
                        Err(Errno::EPIPE)
                    };
                }
                Err(_) if written > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Without waiting: a write that must not be split is all or nothing, a longer one takes what
    /// room there is.
    fn write_some_now(&self, source: &mut Source<'_>) -> Result<usize> {
        if let Some(result) = self.try_write(source) {
            return result;
        }
        if source.remaining() <= PIPE_BUF {
            return Err(Errno::EAGAIN);
        }
        let result = self.state.lock().ring.write(source)?;
        if result == 0 {
            return Err(Errno::EAGAIN);
        }
        self.readable.wake_one();
        self.observers
            .notify((PollEvents::IN | PollEvents::RDNORM).bits());
        Ok(result)
    }

    fn capacity(&self) -> usize {
        self.state.lock().ring.capacity()
    }

    /// F_SETPIPE_SZ: rounds up to a power of two of at least a page; `EBUSY` when the bytes inside
    /// would not fit.
    fn set_capacity(&self, wanted: usize) -> Result<usize> {
        let capacity = wanted
            .max(PIPE_BUF)
            .checked_next_power_of_two()
            .ok_or(Errno::EINVAL)?;
        if capacity > i32::MAX as usize {
            return Err(Errno::EINVAL);
        }
        let privileged = || {
            process::current()
                .credentials()
                .has(Capabilities::SYS_RESOURCE)
        };
        if capacity > MAX_UNPRIVILEGED_CAPACITY && !privileged() {
            return Err(Errno::EPERM);
        }
        self.state.lock().ring.set_capacity(capacity)?;
        self.writable.wake_all();
        self.observers
            .notify((PollEvents::OUT | PollEvents::WRNORM).bits());
        Ok(capacity)
    }
}

impl PipeEnd {
    fn new(pipe: &Arc<Pipe>, reads: bool, writes: bool) -> Self {
        let writers_before = pipe.writer_opens.load(Ordering::SeqCst);
        if reads {
            pipe.readers.fetch_add(1, Ordering::SeqCst);
            pipe.reader_opens.fetch_add(1, Ordering::SeqCst);
        }
        if writes {
            pipe.writers.fetch_add(1, Ordering::SeqCst);
            pipe.writer_opens.fetch_add(1, Ordering::SeqCst);
        }
        Self {
            pipe: pipe.clone(),
            reads,
            writes,
            writers_before,
        }
    }

    fn had_a_writer(&self) -> bool {
        self.pipe.writer_opens.load(Ordering::SeqCst) != self.writers_before
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        let pipe = &self.pipe;
        if self.writes && pipe.writers.fetch_sub(1, Ordering::SeqCst) == 1 {
            pipe.readable.wake_all();
            let events = PollEvents::HUP | PollEvents::IN | PollEvents::RDNORM;
            pipe.observers.notify(events.bits());
        }
        if self.reads && pipe.readers.fetch_sub(1, Ordering::SeqCst) == 1 {
            pipe.writable.wake_all();
            let events = PollEvents::ERR | PollEvents::OUT | PollEvents::WRNORM;
            pipe.observers.notify(events.bits());
        }
        if !pipe.has_readers() && !pipe.has_writers() {
            // A FIFO forgets what nobody can read any more, and gives the memory back.
            pipe.state.lock().ring.clear();
        }
    }
}

impl File for PipeEnd {
    fn read(&self, _offset: u64, sink: &mut Sink<'_>, mode: IoMode) -> Result<usize> {
        if sink.remaining() == 0 {
            return Ok(0);
        }
        let _bulk = BulkTransfer::begin(sink.remaining());
        if mode.nonblocking {
            return self.pipe.try_read(sink).unwrap_or(Err(Errno::EAGAIN));
        }
        interruptible(&self.pipe.readable, None, || self.pipe.try_read(sink))?
    }

    fn write(&self, _offset: u64, source: &mut Source<'_>, mode: IoMode) -> Result<usize> {
        let _bulk = BulkTransfer::begin(source.remaining());
        self.pipe.write(source, mode)
    }

    fn poll(&self) -> PollEvents {
        let (writers, readers) = (self.pipe.has_writers(), self.pipe.has_readers());
        let state = self.pipe.state.lock();
        let mut events = PollEvents::empty();
        if self.reads {
            events.set(PollEvents::IN | PollEvents::RDNORM, !state.ring.is_empty());
            events.set(PollEvents::HUP, !writers && self.had_a_writer());
        }
        if self.writes {
            events.set(
                PollEvents::OUT | PollEvents::WRNORM,
                state.ring.room() >= PIPE_BUF,
            );
            events.set(PollEvents::ERR, !readers);
        }
        events
    }

    fn observers(&self) -> Option<&Observers> {
        Some(&self.pipe.observers)
    }

    fn signals(&self) -> bool {
        true
    }

    fn ioctl(&self, request: u32, argument: usize) -> Result<usize> {
        match request {
            FIONREAD => {
                let available = self.pipe.state.lock().ring.len();
                UserPtr::<i32>::new(argument).write(available as i32)?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    fn control(&self, command: u32, argument: usize) -> Result<usize> {
        match command {
            F_GETPIPE_SZ => Ok(self.pipe.capacity()),
            F_SETPIPE_SZ => self.pipe.set_capacity(argument as u32 as usize),
            _ => Err(Errno::EINVAL),
        }
    }

    fn file_type(&self) -> FileType {
        FileType::Fifo
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn describe(&self) -> String {
        format!("pipe:[{}]", self.pipe.serial)
    }
}

/// Writing to a pipe that nobody reads is a signal first and an error second.
pub fn raise_sigpipe() {
    if let Some(current) = process::try_current() {
        // A full queue cannot lose a standard signal.
        let _ = process::signal::send_to_thread(current.task(), SigInfo::kernel(Signal::PIPE));
    }
}
