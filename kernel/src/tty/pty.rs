//! Pseudo-terminals (pty(7)): a terminal whose line is a program, through `/dev/ptmx`.
//!
//! What the slave's programs write gathers in a [`MasterBuffer`]; what the master writes is typed
//! into the slave's [`Terminal`].

use super::file::TerminalFile;
use super::ioctl;
use super::terminal::{Output, Terminal};
use crate::error::{Errno, Result};
use crate::fs::devfs::TTY_GROUP;
use crate::fs::file::{File, IoMode, PollEvents};
use crate::fs::synthetic::Ownership;
use crate::fs::{Caller, DeviceNumber, OpenFlags};
use crate::process::current;
use crate::user_memory::{Sink, Source, UserPtr};
use crate::wait;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicBool, Ordering};
use linux_raw_sys::ioctl::{FIONREAD, TIOCGPTLCK, TIOCGPTN, TIOCGPTPEER, TIOCSPTLCK};
use smp::{Observers, SpinLock, WaitQueue};

/// Major number of `/dev/pts/*` (Linux devices.txt).
const PTS_MAJOR: u32 = 136;
/// Slave output that waits for the master's reader.
const BUFFER: usize = 16 * 1024;
/// Most pseudo-terminals at once, as Linux's kernel.pty.max.
const MAX_PAIRS: u32 = 4096;

/// A pseudo-terminal's slave side as `/dev/pts` knows it.
struct Pair {
    index: u32,
    terminal: Arc<Terminal>,
    buffer: Arc<MasterBuffer>,
    /// Of its node in `/dev/pts`.
    ownership: Arc<SpinLock<Ownership>>,
    /// Slaves open only once the master has unlocked them (unlockpt(3)).
    locked: AtomicBool,
}

static PAIRS: SpinLock<BTreeMap<u32, Arc<Pair>>> = SpinLock::new(BTreeMap::new());

/// What the slave wrote and the master has not read.
struct MasterBuffer {
    bytes: SpinLock<VecDeque<u8>>,
    readable: WaitQueue,
    observers: Observers,
    /// Slaves were open and none is any more: the master reads `EIO`.
    slave_closed: AtomicBool,
}

struct SlaveOutput(Arc<MasterBuffer>);

impl Output for SlaveOutput {
    fn room(&self) -> usize {
        BUFFER - self.0.bytes.lock().len()
    }

    fn emit(&self, bytes: &[u8]) {
        self.0.bytes.lock().extend(bytes);
    }

    fn notify(&self) {
        self.0.readable.wake_all();
        self.0.observers.notify(PollEvents::IN.bits());
    }

    fn flush(&self) {
        self.0.bytes.lock().clear();
    }

    fn queued(&self) -> usize {
        self.0.bytes.lock().len()
    }

    fn opened(&self) {
        self.0.slave_closed.store(false, Ordering::Release);
    }

    fn last_closed(&self) {
        self.0.slave_closed.store(true, Ordering::Release);
        self.0.readable.wake_all();
        self.0.observers.notify(PollEvents::HUP.bits());
    }
}

/// Opens `/dev/ptmx`: a new pair, seen from the master.
pub fn open_master() -> Result<Arc<dyn File>> {
    let mut bytes = VecDeque::new();
    bytes.try_reserve(BUFFER).map_err(|_| Errno::ENOMEM)?;
    let buffer = Arc::new(MasterBuffer {
        bytes: SpinLock::new(bytes),
        readable: WaitQueue::new(),
        observers: Observers::new(),
        slave_closed: AtomicBool::new(false),
    });
    let mut pairs = PAIRS.lock();
    let index = (0..MAX_PAIRS)
        .find(|index| !pairs.contains_key(index))
        .ok_or(Errno::ENOSPC)?;
    let output = Box::new(SlaveOutput(buffer.clone()));
    let terminal = Arc::new(Terminal::new(DeviceNumber::new(PTS_MAJOR, index), output));
    let pair = Arc::new(Pair {
        index,
        terminal,
        buffer,
        ownership: Arc::new(SpinLock::new(Ownership {
            permissions: 0o620,
            uid: current().credentials().fsuid,
            gid: TTY_GROUP,
        })),
        locked: AtomicBool::new(true),
    });
    pairs.insert(index, pair.clone());
    Ok(Arc::new(Master(pair)))
}

/// Opens `/dev/pts/<index>`: `ENXIO` without a master, `EIO` while it is locked.
pub fn open_slave(index: u32, no_controlling: bool) -> Result<Arc<dyn File>> {
    let pair = PAIRS.lock().get(&index).cloned().ok_or(Errno::ENXIO)?;
    if pair.locked.load(Ordering::Acquire) {
        return Err(Errno::EIO);
    }
    TerminalFile::open(pair.terminal.clone(), no_controlling)
}

/// The pseudo-terminals that exist, for listing `/dev/pts`.
pub fn indices() -> impl Iterator<Item = u32> {
    let mut from = 0;
    core::iter::from_fn(move || {
        let (&index, _) = PAIRS.lock().range(from..).next()?;
        from = index + 1;
        Some(index)
    })
}

/// Whose `/dev/pts/<index>` is: at first whoever opened the master; `None` if there is none.
pub fn ownership(index: u32) -> Option<Arc<SpinLock<Ownership>>> {
    let pairs = PAIRS.lock();
    pairs.get(&index).map(|pair| pair.ownership.clone())
}

/// The device number of `/dev/pts/<index>`.
pub fn device(index: u32) -> DeviceNumber {
    DeviceNumber::new(PTS_MAJOR, index)
}

/// The master side of a pair; the last one closed hangs the terminal up.
struct Master(Arc<Pair>);

impl Drop for Master {
    fn drop(&mut self) {
        PAIRS.lock().remove(&self.0.index);
        self.0.terminal.hang_up();
    }
}

impl Master {
    /// What there is to read; `None` to wait for more.
    fn take(&self, out: &mut [u8]) -> Option<Result<usize>> {
        let mut bytes = self.0.buffer.bytes.lock();
        if bytes.is_empty() {
            return self
                .0
                .buffer
                .slave_closed
                .load(Ordering::Acquire)
                .then_some(Err(Errno::EIO));
        }
        let count = out.len().min(bytes.len());
        for (slot, byte) in out.iter_mut().zip(bytes.drain(..count)) {
            *slot = byte;
        }
        Some(Ok(count))
    }

    /// Opens the slave by its name, so that ttyname(3) finds it, wherever the caller's root is.
    fn open_peer(&self, flags: OpenFlags) -> Result<usize> {
        let path = format!("/dev/pts/{}", self.0.index);
        let slave = Caller::kernel().open(None, path.as_bytes(), flags, 0)?;
        let close_on_exec = flags.contains(OpenFlags::CLOEXEC);
        current()
            .files()
            .insert(slave, close_on_exec)
            .map(|fd| fd as usize)
    }

    fn take_or_wait(&self, out: &mut [u8], mode: IoMode) -> Result<usize> {
        if mode.nonblocking {
            return self.take(out).unwrap_or(Err(Errno::EAGAIN));
        }
        wait::interruptible(&self.0.buffer.readable, None, || self.take(out))?
    }
}

impl File for Master {
    fn read(&self, _offset: u64, sink: &mut Sink<'_>, mode: IoMode) -> Result<usize> {
        let mut chunk = [0; 1024];
        let wanted = chunk.len().min(sink.remaining());
        if wanted == 0 {
            return Ok(0);
        }
        let mut moved = 0;
        let mut count = self.take_or_wait(&mut chunk[..wanted], mode)?;
        loop {
            moved += sink.put(&chunk[..count])?;
            let wanted = chunk.len().min(sink.remaining());
            match self.take(&mut chunk[..wanted]) {
                Some(Ok(more)) if more > 0 => count = more,
                _ => break,
            }
        }
        self.0.terminal.output_drained();
        Ok(moved)
    }

    fn write(&self, _offset: u64, source: &mut Source<'_>, mode: IoMode) -> Result<usize> {
        let terminal = &self.0.terminal;
        let mut written = 0;
        while source.remaining() > 0 {
            if !terminal.accepts_input() {
                if mode.nonblocking {
                    return if written > 0 {
                        Ok(written)
                    } else {
                        Err(Errno::EAGAIN)
                    };
                }
                match wait::interruptible(&terminal.input_room, None, || {
                    terminal.accepts_input().then_some(())
                }) {
                    Err(_) if written > 0 => return Ok(written),
                    other => other?,
                }
            }
            // A byte at a time once the room is small: what was taken must also fit.
            let mut chunk = [0; 256];
            let fits = terminal.input_space().clamp(1, chunk.len());
            let count = source.take(&mut chunk[..fits])?;
            written += terminal.input(&chunk[..count]);
        }
        Ok(written)
    }

    fn poll(&self) -> PollEvents {
        let mut events = PollEvents::empty();
        if self.0.terminal.accepts_input() {
            events |= PollEvents::OUT | PollEvents::WRNORM;
        }
        if !self.0.buffer.bytes.lock().is_empty() {
            events |= PollEvents::IN | PollEvents::RDNORM;
        }
        if self.0.buffer.slave_closed.load(Ordering::Acquire) {
            events |= PollEvents::HUP;
        }
        events
    }

    fn observers(&self) -> Option<&Observers> {
        Some(&self.0.buffer.observers)
    }

    fn ioctl(&self, request: u32, argument: usize) -> Result<usize> {
        match request {
            TIOCGPTN => UserPtr::<u32>::new(argument).write(self.0.index)?,
            TIOCSPTLCK => {
                let locked = UserPtr::<i32>::new(argument).read()? != 0;
                self.0.locked.store(locked, Ordering::Release);
            }
            TIOCGPTLCK => {
                UserPtr::<i32>::new(argument)
                    .write(i32::from(self.0.locked.load(Ordering::Acquire)))?;
            }
            TIOCGPTPEER => {
                return self.open_peer(OpenFlags::from_bits_retain(argument as u32));
            }
            FIONREAD => {
                UserPtr::<i32>::new(argument).write(self.0.buffer.bytes.lock().len() as i32)?
            }
            _ => return ioctl::common(&self.0.terminal, request, argument),
        }
        Ok(0)
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn describe(&self) -> String {
        String::from("/dev/ptmx")
    }
}
