//! A terminal opened through `/dev/console`, `/dev/tty` or `/dev/pts/N`.

use super::terminal::Terminal;
use super::{ioctl, job_control};
use crate::error::{Errno, Result};
use crate::fs::file::{File, IoMode, PollEvents};
use crate::process::Capabilities;
use crate::user_memory::{Sink, Source};
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::Ordering;
use smp::Observers;

/// An open terminal.
pub struct TerminalFile(Arc<Terminal>);

impl TerminalFile {
    /// Opens `terminal`; unless `no_controlling` (`O_NOCTTY`), it becomes the controlling terminal
    /// of a session leader that has none. `EIO` after a hang-up, `EBUSY` under TIOCEXCL.
    pub fn open(terminal: Arc<Terminal>, no_controlling: bool) -> Result<Arc<dyn File>> {
        {
            let state = terminal.state.lock();
            if state.hung_up {
                return Err(Errno::EIO);
            }
            if state.exclusive
                && !crate::process::current()
                    .credentials()
                    .has(Capabilities::SYS_ADMIN)
            {
                return Err(Errno::EBUSY);
            }
        }
        terminal.opens.fetch_add(1, Ordering::AcqRel);
        terminal.output.opened();
        if !no_controlling {
            job_control::adopt_on_open(&terminal);
        }
        Ok(Arc::new(Self(terminal)))
    }
}

impl Drop for TerminalFile {
    fn drop(&mut self) {
        if self.0.opens.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.output.last_closed();
        }
    }
}

impl File for TerminalFile {
    fn read(&self, _offset: u64, sink: &mut Sink<'_>, mode: IoMode) -> Result<usize> {
        self.0.read(sink, mode)
    }

    fn write(&self, _offset: u64, source: &mut Source<'_>, mode: IoMode) -> Result<usize> {
        self.0.write(source, mode)
    }

    fn poll(&self) -> PollEvents {
        self.0.poll()
    }

    fn observers(&self) -> Option<&Observers> {
        Some(&self.0.observers)
    }

    fn ioctl(&self, request: u32, argument: usize) -> Result<usize> {
        ioctl::terminal(&self.0, request, argument)
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn describe(&self) -> String {
        super::name(self.0.device())
    }
}
