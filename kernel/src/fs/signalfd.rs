//! Signals as files (signalfd(2)): a read takes pending signals of the calling thread.

use super::file::{File, IoMode, PollEvents};
use super::open_file::{OpenFile, OpenFlags};
use crate::error::{Errno, Result};
use crate::process::signal::{self, info::code};
use crate::process::{self, Process, SigInfo, Signal, SignalSet};
use crate::user_memory::Sink;
use crate::wait::interruptible;
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;
use smp::{Observers, SpinLock};

/// The size of `struct signalfd_siginfo`.
const RECORD: usize = 128;

/// Reads the signals of a set, which the reader normally blocks.
pub struct SignalFd {
    wanted: SpinLock<SignalSet>,
    /// Whose new signals are told to observers. Reads take those of whoever reads.
    process: Arc<Process>,
}

impl SignalFd {
    /// An open file for the calling process. `flags` may hold `NONBLOCK`.
    pub fn open(wanted: SignalSet, flags: OpenFlags) -> Arc<OpenFile> {
        let process = process::current().process().clone();
        let file = Self {
            wanted: SpinLock::new(wanted.blockable()),
            process,
        };
        OpenFile::new(Arc::new(file), flags | OpenFlags::RDWR)
    }

    pub fn set_wanted(&self, wanted: SignalSet) {
        *self.wanted.lock() = wanted.blockable();
        self.process.signal_events.wake_all();
        self.process
            .signal_observers
            .notify((PollEvents::IN | PollEvents::RDNORM).bits());
    }

    fn wanted(&self) -> SignalSet {
        *self.wanted.lock()
    }

    fn try_take(&self) -> Option<(Signal, SigInfo)> {
        signal::take_pending(&process::current(), self.wanted())
    }
}

impl File for SignalFd {
    fn read(&self, _offset: u64, sink: &mut Sink<'_>, mode: IoMode) -> Result<usize> {
        if sink.remaining() < RECORD {
            return Err(Errno::EINVAL);
        }
        let current = process::current();
        let (_, first) = match mode.nonblocking {
            true => self.try_take().ok_or(Errno::EAGAIN)?,
            false => interruptible(&current.process().signal_events, None, || self.try_take())?,
        };
        let mut moved = sink.put(&record(&first))?;
        while sink.remaining() >= RECORD {
            let Some((_, info)) = self.try_take() else {
                break;
            };
            moved += sink.put(&record(&info))?;
        }
        Ok(moved)
    }

    fn poll(&self) -> PollEvents {
        let pending = signal::pending(&process::current());
        match pending.intersection(self.wanted()).is_empty() {
            true => PollEvents::empty(),
            false => PollEvents::IN | PollEvents::RDNORM,
        }
    }

    fn observers(&self) -> Option<&Observers> {
        Some(&self.process.signal_observers)
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn describe(&self) -> String {
        String::from("anon_inode:[signalfd]")
    }
}

/// `struct signalfd_siginfo` (signalfd(2)); fields that do not apply are zero.
fn record(info: &SigInfo) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    let mut word =
        |offset: usize, value: u32| bytes[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
    word(0, info.signo as u32);
    word(4, info.errno as u32);
    word(8, info.code as u32);
    let is_child = info.signo == i32::from(Signal::CHLD.number()) && info.code > 0;
    let is_timer = info.code == code::TIMER;
    if is_timer {
        word(24, info.pid()); // ssi_tid: the timer's number
        word(32, info.uid()); // ssi_overrun
    } else {
        word(12, info.pid());
        word(16, info.uid());
    }
    if is_child {
        word(40, info.status() as u32);
    }
    if is_timer || info.code == code::QUEUE {
        word(44, info.value() as u32);
        bytes[48..56].copy_from_slice(&info.value().to_ne_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: &[u8; RECORD], offset: usize) -> u32 {
        u32::from_ne_bytes(bytes[offset..offset + 4].try_into().unwrap())
    }

    #[test]
    fn records_are_those_of_linux() {
        let child = record(&SigInfo::child(code::CHILD_EXITED, 7, 1000, 3, 0, 0));
        assert_eq!(
            [0, 8, 12, 16, 40].map(|at| word(&child, at)),
            [17, 1, 7, 1000, 3]
        );
        let timer = record(&SigInfo::timer(Signal::ALRM, 5, 2, 0x1_0000_0009));
        assert_eq!(
            [12, 24, 32, 44, 52].map(|at| word(&timer, at)),
            [0, 5, 2, 9, 1]
        );
    }
}
