//! A terminal: settings, line discipline, window size, hang-up and who is in the foreground.
//!
//! Input comes from a thread (the console's) or from a pty master's writer; output goes to an
//! [`Output`] (the UART or the master's buffer). All state is under one spin lock; user memory is
//! touched only outside of it.

use super::discipline::{Discipline, Effect, process_output};
use super::job_control::{self, Access, JobControl};
use super::termios::{self as t, Termios, WindowSize};
use crate::error::{Errno, Result};
use crate::fs::DeviceNumber;
use crate::fs::file::{IoMode, PollEvents};
use crate::user_memory::{Sink, Source};
use crate::wait;
use alloc::boxed::Box;
use core::sync::atomic::AtomicUsize;
use smp::{Observers, SpinLock, WaitQueue};

/// Bytes moved per lock hold.
const CHUNK: usize = 256;
/// VTIME counts tenths of a second.
const VTIME_UNIT_NS: u64 = 100_000_000;

/// Where a terminal's output goes. Called with the terminal's state locked: must not block.
pub trait Output: Send + Sync {
    /// How many bytes [`Output::emit`] takes now without dropping any.
    fn room(&self) -> usize;
    fn emit(&self, bytes: &[u8]);
    /// Tells readers of the output about it; called with nothing locked.
    fn notify(&self) {}
    /// Drops what has not been read (TCOFLUSH).
    fn flush(&self) {}
    /// Bytes not yet read (TIOCOUTQ).
    fn queued(&self) -> usize {
        0
    }
    /// A program opened the terminal.
    fn opened(&self) {}
    /// The last program closed it.
    fn last_closed(&self) {}
}

pub(super) struct State {
    pub settings: Termios,
    pub discipline: Discipline,
    pub window: WindowSize,
    pub jobs: JobControl,
    pub hung_up: bool,
    /// TIOCEXCL: further opens fail.
    pub exclusive: bool,
}

/// One terminal, seen from its programs' side.
pub struct Terminal {
    pub(super) state: SpinLock<State>,
    /// Readers waiting for input.
    pub(super) readable: WaitQueue,
    /// Writers waiting for room or for Ctrl-Q, and drains.
    pub(super) writable: WaitQueue,
    /// Whoever feeds input, waiting for room in the discipline.
    pub(super) input_room: WaitQueue,
    pub(super) observers: Observers,
    pub(super) output: Box<dyn Output>,
    device: DeviceNumber,
    /// Open files on it.
    pub(super) opens: AtomicUsize,
}

impl Terminal {
    pub fn new(device: DeviceNumber, output: Box<dyn Output>) -> Self {
        let state = State {
            settings: Termios::sane(),
            discipline: Discipline::new(),
            window: WindowSize::default(),
            jobs: JobControl::default(),
            hung_up: false,
            exclusive: false,
        };
        Self {
            state: SpinLock::new(state),
            readable: WaitQueue::new(),
            writable: WaitQueue::new(),
            input_room: WaitQueue::new(),
            observers: Observers::new(),
            output,
            device,
            opens: AtomicUsize::new(0),
        }
    }

    pub fn device(&self) -> DeviceNumber {
        self.device
    }

    pub fn hung_up(&self) -> bool {
        self.state.lock().hung_up
    }

    /// Takes typed bytes; returns how many fitted. In canonical mode excess bytes of an unfinished
    /// line are dropped with a bell, as on every Unix.
    pub fn input(&self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        for &byte in bytes {
            let (effect, group) = {
                let state = &mut *self.state.lock();
                if !state.accepts_input() {
                    break;
                }
                let settings = state.settings;
                let effect = state
                    .discipline
                    .input(byte, &settings, &mut |shown| self.emit(shown, &settings));
                (effect, state.jobs.foreground)
            };
            taken += 1;
            if let Effect::Signal(signal) = effect {
                job_control::signal_foreground(group, signal);
            }
        }
        self.input_arrived();
        taken
    }

    /// How many bytes the input buffer has room for.
    pub fn input_space(&self) -> usize {
        self.state.lock().discipline.room()
    }

    /// Whether [`Terminal::input`] would take a byte.
    pub fn accepts_input(&self) -> bool {
        self.state.lock().accepts_input()
    }

    fn input_arrived(&self) {
        self.output.notify();
        self.readable.wake_all();
        self.writable.wake_all();
        self.observers.notify(self.poll().bits());
    }

    /// Shows `bytes` after output processing, dropping what does not fit (echo never waits).
    fn emit(&self, bytes: &[u8], settings: &Termios) {
        for &byte in bytes {
            let (processed, count) = process_output(byte, settings);
            if self.output.room() >= count {
                self.output.emit(&processed[..count]);
            }
        }
    }

    /// Tells writers that the output has room again.
    pub fn output_drained(&self) {
        self.writable.wake_all();
        self.observers.notify(self.poll().bits());
    }

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
    fn input_ready(&self, least: usize) -> bool {
        let state = self.state.lock();
        let enough = if state.settings.has_local(t::ICANON) {
            state.discipline.readable(&state.settings)
        } else {
            state.discipline.available() >= least
        };
        enough || state.hung_up
    }

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

    fn can_write(&self) -> bool {
        !self.state.lock().discipline.output_stopped() && self.output.room() >= 2
    }

    pub fn poll(&self) -> PollEvents {
        let mut events = PollEvents::empty();
        if self.input_ready(1) {
            events |= PollEvents::IN | PollEvents::RDNORM;
        }
        if self.can_write() {
            events |= PollEvents::OUT | PollEvents::WRNORM;
        }
        if self.hung_up() {
            events |= PollEvents::HUP | PollEvents::IN | PollEvents::OUT;
        }
        events
    }

    /// The line is gone: readers see the end, writers `EIO`, the session SIGHUP and SIGCONT.
    pub fn hang_up(&self) {
        let jobs = {
            let mut state = self.state.lock();
            state.hung_up = true;
            core::mem::take(&mut state.jobs)
        };
        job_control::hang_up(jobs);
        self.input_room.wake_all();
        self.input_arrived();
    }

    /// Changes the settings as tcsetattr(3) does; `flush` drops unread input (TCSAFLUSH).
    pub fn set_settings(&self, settings: Termios, flush: bool) {
        {
            let state = &mut *self.state.lock();
            let canonical = settings.has_local(t::ICANON);
            if flush {
                state.discipline.flush();
            }
            if canonical != state.settings.has_local(t::ICANON) {
                state.discipline.mode_changed(canonical);
            }
            if !settings.has_input(t::IXON) {
                state.discipline.set_output_stopped(false);
            }
            state.settings = settings;
        }
        self.input_room.wake_all();
        self.input_arrived();
    }

    /// Waits until all output has been read (tcdrain(3)); a UART's has always gone out.
    pub fn drain(&self) -> Result<()> {
        wait::interruptible(&self.writable, None, || {
            (self.output.queued() == 0 || self.hung_up()).then_some(())
        })
    }

    /// Changes the window size and tells the foreground group (SIGWINCH) when it is another.
    pub fn resize(&self, window: WindowSize) {
        let group = {
            let mut state = self.state.lock();
            if state.window == window {
                return;
            }
            state.window = window;
            state.jobs.foreground
        };
        job_control::window_changed(group);
    }
}

impl State {
    /// In raw mode input waits for room; a full unfinished line must not block its own end.
    fn accepts_input(&self) -> bool {
        let unfinished_line =
            self.settings.has_local(t::ICANON) && !self.discipline.readable(&self.settings);
        self.discipline.room() > 1 || unfinished_line
    }

    fn ends_line(&self, byte: u8) -> bool {
        byte == b'\n' || self.settings.is(t::VEOL, byte) || self.settings.is(t::VEOL2, byte)
    }
}
