//! What an open file can do: the [`File`] trait that every kind of file implements.
//!
//! Descriptors share it through an [`OpenFile`](super::OpenFile), which adds offset and flags.

use super::node::FileType;
use crate::error::{Errno, Result};
use crate::user_memory::{Sink, Source};
use alloc::sync::Arc;
use bitflags::bitflags;
use core::any::Any;
use smp::Observers;

bitflags! {
    /// Readiness, as in poll(2) and epoll(7).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct PollEvents: u32 {
        const IN = 0x001;
        const PRI = 0x002;
        const OUT = 0x004;
        const ERR = 0x008;
        const HUP = 0x010;
        const NVAL = 0x020;
        const RDNORM = 0x040;
        const RDBAND = 0x080;
        const WRNORM = 0x100;
        const WRBAND = 0x200;
        const RDHUP = 0x2000;
    }
}

/// How one call on a file behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct IoMode {
    /// `O_NONBLOCK`, `MSG_DONTWAIT`, `RWF_NOWAIT`: `EAGAIN` instead of waiting.
    pub nonblocking: bool,
    /// `O_APPEND`.
    pub append: bool,
}

/// A file as seen through a descriptor: regular files, pipes, sockets, terminals, event files.
///
/// Reads and writes copy to and from user memory and may sleep; implementations hold at most
/// sleeping locks while they do.
pub trait File: Any + Send + Sync {
    /// Reads at `offset` (ignored by streams) into `sink`; returns the bytes moved, 0 at the end.
    fn read(&self, _offset: u64, _sink: &mut Sink<'_>, _mode: IoMode) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    /// Writes `source` at `offset` (ignored by streams); returns the bytes moved.
    fn write(&self, _offset: u64, _source: &mut Source<'_>, _mode: IoMode) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    /// What is ready now. Files that are always ready keep the default.
    fn poll(&self) -> PollEvents {
        PollEvents::IN | PollEvents::OUT | PollEvents::RDNORM | PollEvents::WRNORM
    }

    /// Whom to tell when readiness may have changed; `None` for files that are always ready.
    fn observers(&self) -> Option<&Observers> {
        None
    }

    /// Whether it can tell of its readiness by a signal (`O_ASYNC`): then it has observers.
    fn signals(&self) -> bool {
        false
    }

    /// ioctl(2).
    fn ioctl(&self, _request: u32, _argument: usize) -> Result<usize> {
        Err(Errno::ENOTTY)
    }

    /// The fcntl(2) commands of one kind of file only (F_GETPIPE_SZ, F_SETPIPE_SZ).
    fn control(&self, _command: u32, _argument: usize) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    /// What fstat(2) shows for a file without an inode: `Fifo` for a pipe, `Socket` for a socket.
    fn file_type(&self) -> FileType {
        FileType::Anonymous
    }

    /// The inode behind it, where there is one (fstat, mmap, fchdir, truncate...).
    fn node(&self) -> Option<Arc<dyn super::Node>> {
        None
    }

    /// Whether an offset means anything (`ESPIPE` otherwise).
    fn seekable(&self) -> bool {
        false
    }

    /// For downcasts (`socket`, `epoll`, `tty` calls): see [`downcast`].
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;

    /// What /proc/<pid>/fd/N shows, such as `pipe:[12]`.
    fn describe(&self) -> alloc::string::String;
}

/// The file as its concrete type, when it is one.
pub fn downcast<T: File>(file: &Arc<dyn File>) -> Option<Arc<T>> {
    file.clone().as_any().downcast::<T>().ok()
}
