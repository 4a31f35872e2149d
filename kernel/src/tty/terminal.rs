//! A terminal: settings, line discipline, window size, hang-up and who is in the foreground.
//!
//! Input comes from a thread (the console's) or from a pty master's writer; output goes to an
//! [`Output`] (the UART or the master's buffer). All state is under one spin lock; user memory is
//! touched only outside of it.

mod reading;
mod writing;

use super::discipline::{Discipline, Effect, process_output};
use super::job_control::{self, JobControl};
use super::termios::{self as t, Termios, WindowSize};
use crate::fs::DeviceNumber;
use crate::fs::file::PollEvents;
use alloc::boxed::Box;
use core::sync::atomic::AtomicUsize;
use smp::{Observers, SpinLock, WaitQueue};

/// Bytes moved per lock hold.
const CHUNK: usize = 256;
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
