//! Writing to a terminal, and waiting for room and for the end of the output.

use super::{CHUNK, Terminal};
use crate::error::{Errno, Result};
use crate::fs::file::IoMode;
use crate::tty::discipline::process_output;
use crate::tty::job_control::{self, Access};
use crate::user_memory::Source;
use crate::wait;

impl Terminal {
    /// write(2) on the terminal.
    pub fn write(&self, source: &mut Source<'_>, mode: IoMode) -> Result<usize> {
        job_control::check(self, Access::Write)?;
        let mut written = 0;
        while source.remaining() > 0 {
            let mut chunk = [0; CHUNK];
            let count = source.take(&mut chunk)?;
            let (done, result) = self.write_chunk(&chunk[..count], mode);
            written += done;
            match result {
                Ok(()) => {}
                Err(_) if written > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Writes all of `chunk`, waiting for room; how much went out, and why not all did.
    fn write_chunk(&self, chunk: &[u8], mode: IoMode) -> (usize, Result<()>) {
        let mut done = 0;
        while done < chunk.len() {
            let count = match self.push_output(&chunk[done..]) {
                Ok(count) => count,
                Err(error) => return (done, Err(error)),
            };
            self.output.notify();
            done += count;
            if count == 0
                && let Err(error) = self.wait_for_room(mode)
            {
                return (done, Err(error));
            }
        }
        (done, Ok(()))
    }

    fn push_output(&self, bytes: &[u8]) -> Result<usize> {
        let state = self.state.lock();
        if state.hung_up {
            return Err(Errno::EIO);
        }
        if state.discipline.output_stopped() {
            return Ok(0);
        }
        let mut room = self.output.room();
        for (index, &byte) in bytes.iter().enumerate() {
            let (processed, count) = process_output(byte, &state.settings);
            if count > room {
                return Ok(index);
            }
            self.output.emit(&processed[..count]);
            room -= count;
        }
        Ok(bytes.len())
    }

    fn wait_for_room(&self, mode: IoMode) -> Result<()> {
        if mode.nonblocking {
            return Err(Errno::EAGAIN);
        }
        wait::interruptible(&self.writable, None, || {
            (self.can_write() || self.hung_up()).then_some(())
        })
    }

    pub(super) fn can_write(&self) -> bool {
        !self.state.lock().discipline.output_stopped() && self.output.room() >= 2
    }

    /// Waits until all output has been read (tcdrain(3)); a UART's has always gone out.
    pub fn drain(&self) -> Result<()> {
        wait::interruptible(&self.writable, None, || {
            (self.output.queued() == 0 || self.hung_up()).then_some(())
        })
    }
}
