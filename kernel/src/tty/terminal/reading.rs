//! Reading from a terminal: what is typed, and waiting for it.

use super::{CHUNK, Terminal};
use crate::error::{Errno, Result};
use crate::fs::file::IoMode;
use crate::tty::job_control::{self, Access};
use crate::tty::termios as t;
use crate::user_memory::Sink;
use crate::wait;

/// VTIME counts tenths of a second.
const VTIME_UNIT_NS: u64 = 100_000_000;

impl Terminal {
    /// read(2) on the terminal.
    pub fn read(&self, sink: &mut Sink<'_>, mode: IoMode) -> Result<usize> {
        job_control::check(self, Access::Read)?;
        if sink.remaining() == 0 {
            return Ok(0);
        }
        self.wait_for_input(sink.remaining(), mode)?;
        let mut moved = 0;
        loop {
            let mut chunk = [0; CHUNK];
            let wanted = CHUNK.min(sink.remaining());
            let (count, more) = self.take_input(&mut chunk[..wanted]);
            moved += sink.put(&chunk[..count])?;
            if count < wanted || !more || sink.remaining() == 0 {
                break;
            }
        }
        self.input_room.wake_all();
        Ok(moved)
    }

    /// Takes input; also whether the same line (or raw input) goes on.
    fn take_input(&self, out: &mut [u8]) -> (usize, bool) {
        let state = &mut *self.state.lock();
        let settings = state.settings;
        let count = state.discipline.read(&settings, out);
        let ended = settings.has_local(t::ICANON) && count > 0 && state.ends_line(out[count - 1]);
        (count, !ended && state.discipline.readable(&settings))
    }

    fn wait_for_input(&self, wanted: usize, mode: IoMode) -> Result<()> {
        let settings = self.state.lock().settings;
        let canonical = settings.has_local(t::ICANON);
        let minimum = usize::from(settings.characters[t::VMIN]);
        let timeout_ns = u64::from(settings.characters[t::VTIME]) * VTIME_UNIT_NS;
        if mode.nonblocking {
            return if self.input_ready(1) {
                Ok(())
            } else {
                Err(Errno::EAGAIN)
            };
        }
        if canonical || timeout_ns == 0 {
            let least = if canonical { 1 } else { minimum.min(wanted) };
            return self.wait_until_ready(least, None);
        }
        self.wait_timed(minimum.min(wanted), timeout_ns)
    }

    /// Non-canonical reads with VTIME: an overall timer without VMIN, else one between bytes.
    fn wait_timed(&self, minimum: usize, timeout_ns: u64) -> Result<()> {
        let expired_is_fine = |result| match result {
            Err(Errno::ETIMEDOUT) => Ok(()),
            other => other,
        };
        if minimum > 0 {
            self.wait_until_ready(1, None)?;
        }
        let mut have = self.state.lock().discipline.available();
        while have < minimum.max(1) {
            expired_is_fine(self.wait_until_ready(have + 1, Some(smp::now_ns() + timeout_ns)))?;
            let now = self.state.lock().discipline.available();
            if now == have {
                break;
            }
            have = now;
        }
        Ok(())
    }

    fn wait_until_ready(&self, least: usize, deadline_ns: Option<u64>) -> Result<()> {
        wait::interruptible(&self.readable, deadline_ns, || {
            self.input_ready(least).then_some(())
        })
    }

    /// Whether a read of `least` bytes returns at once (hang-up and end of file included).
    pub(super) fn input_ready(&self, least: usize) -> bool {
        let state = self.state.lock();
        let enough = if state.settings.has_local(t::ICANON) {
            state.discipline.readable(&state.settings)
        } else {
            state.discipline.available() >= least
        };
        enough || state.hung_up
    }
}
