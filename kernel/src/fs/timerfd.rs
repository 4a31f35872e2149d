//! Timers as files (timerfd_create(2)): a read tells how often one expired.

use super::file::{File, IoMode, PollEvents};
use super::open_file::{OpenFile, OpenFlags};
use crate::error::{Errno, Result};
use crate::time;
use crate::user_memory::Sink;
use crate::wait::interruptible;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use core::any::Any;
use smp::{Observers, SpinLock, Timer, WaitQueue};

/// Which clock a timer's absolute times are on. The boot clock is the monotonic one: the machine
/// is never suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    Real,
    Monotonic,
}

/// What timerfd_settime(2) asks for and timerfd_gettime(2) tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// 0: expires once.
    pub interval_ns: u64,
    /// 0: disarmed. Relative to now, unless it was set as absolute.
    pub value_ns: u64,
}

/// A timer.
pub struct TimerFd {
    clock: Clock,
    timer: Timer,
    /// Held while `timer` is armed and disarmed, so that it always follows the state. The timer's
    /// callback takes it with no other lock held.
    state: SpinLock<State>,
    readable: WaitQueue,
    observers: Observers,
}

#[derive(Default)]
struct State {
    /// The next expiry, monotonic; `None`: disarmed.
    deadline_ns: Option<u64>,
    interval_ns: u64,
    /// How often it expired since the last read. While there are any, the timer is not armed: the
    /// read books the rest and arms it. So a period shorter than an interrupt takes costs an
    /// interrupt per read and not the whole machine.
    expirations: u64,
}

impl State {
    /// Books the expiries up to `now_ns`; the next deadline, if there is one.
    fn advance(&mut self, now_ns: u64) -> Option<u64> {
        let deadline = self.deadline_ns?;
        if now_ns < deadline {
            return Some(deadline);
        }
        let missed = (now_ns - deadline).checked_div(self.interval_ns);
        self.expirations += 1 + missed.unwrap_or(0);
        // A period may be longer than the clock goes: then it does not come again.
        let ahead = |missed: u64| (missed + 1).saturating_mul(self.interval_ns);
        self.deadline_ns = missed.map(|missed| deadline.saturating_add(ahead(missed)));
        self.deadline_ns
    }
}

impl TimerFd {
    /// An open, disarmed timer. `flags` may hold `NONBLOCK`.
    pub fn open(clock: Clock, flags: OpenFlags) -> Arc<OpenFile> {
        let file = Arc::new_cyclic(|this: &Weak<Self>| {
            let this = this.clone();
            let expire = move || {
                if let Some(file) = this.upgrade() {
                    file.expire();
                }
            };
            Self {
                clock,
                timer: Timer::new(expire),
                state: SpinLock::new(State::default()),
                readable: WaitQueue::new(),
                observers: Observers::new(),
            }
        });
        OpenFile::new(file, flags | OpenFlags::RDWR)
    }

    /// In interrupt context.
    fn expire(&self) {
        let mut state = self.state.lock();
        let deadline = state.advance(time::monotonic_ns());
        if state.expirations == 0 {
            // Read or set anew while this was on its way.
            if let Some(deadline) = deadline {
                self.timer.arm(deadline);
            }
            return;
        }
        drop(state);
        self.readable.wake_all();
        self.observers
            .notify((PollEvents::IN | PollEvents::RDNORM).bits());
    }

    /// Sets the timer and returns what was left of the old setting.
    pub fn set(&self, setting: Setting, absolute: bool) -> Setting {
        let now = time::monotonic_ns();
        let deadline = match (setting.value_ns, absolute) {
            (0, _) => None,
            (value, false) => Some(now.saturating_add(value)),
            (value, true) if self.clock == Clock::Real => Some(time::monotonic_from_real_ns(value)),
            (value, true) => Some(value),
        };
        let mut state = self.state.lock();
        state.advance(now);
        let old = remaining(&state, now);
        *state = State {
            deadline_ns: deadline,
            interval_ns: setting.interval_ns,
            expirations: 0,
        };
        match deadline {
            Some(deadline) => self.timer.arm(deadline),
            None => drop(self.timer.cancel()),
        }
        old
    }

    pub fn setting(&self) -> Setting {
        let now = time::monotonic_ns();
        let mut state = self.state.lock();
        state.advance(now);
        remaining(&state, now)
    }

    fn try_take(&self) -> Option<u64> {
        let mut state = self.state.lock();
        let deadline = state.advance(time::monotonic_ns());
        let taken = core::mem::take(&mut state.expirations);
        if taken == 0 {
            return None;
        }
        if let Some(deadline) = deadline {
            self.timer.arm(deadline);
        }
        Some(taken)
    }
}

fn remaining(state: &State, now_ns: u64) -> Setting {
    let left = state
        .deadline_ns
        .map_or(0, |deadline| deadline.saturating_sub(now_ns).max(1));
    Setting {
        interval_ns: state.interval_ns,
        value_ns: left,
    }
}

impl File for TimerFd {
    fn read(&self, _offset: u64, sink: &mut Sink<'_>, mode: IoMode) -> Result<usize> {
        if sink.remaining() < size_of::<u64>() {
            return Err(Errno::EINVAL);
        }
        let taken = match mode.nonblocking {
            true => self.try_take().ok_or(Errno::EAGAIN)?,
            false => interruptible(&self.readable, None, || self.try_take())?,
        };
        sink.put(&taken.to_ne_bytes())
    }

    fn poll(&self) -> PollEvents {
        let expired = self.state.lock().expirations > 0;
        if expired {
            PollEvents::IN | PollEvents::RDNORM
        } else {
            PollEvents::empty()
        }
    }

    fn observers(&self) -> Option<&Observers> {
        Some(&self.observers)
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn describe(&self) -> String {
        String::from("anon_inode:[timerfd]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::downcast;

    const MS: u64 = 1_000_000;

    fn open(flags: OpenFlags) -> (Arc<OpenFile>, Arc<TimerFd>) {
        let open = TimerFd::open(Clock::Monotonic, flags);
        let timer = downcast::<TimerFd>(open.file()).unwrap();
        (open, timer)
    }

    fn read(file: &OpenFile) -> Result<u64> {
        let mut bytes = [0; 8];
        file.read(&mut Sink::Kernel(&mut bytes))
            .map(|_| u64::from_ne_bytes(bytes))
    }

    #[test]
    fn missed_periods_are_counted() {
        let mut state = State {
            deadline_ns: Some(100),
            interval_ns: 10,
            expirations: 0,
        };
        assert_eq!(state.advance(99), Some(100));
        assert_eq!(state.advance(100), Some(110));
        assert_eq!(state.expirations, 1);
        assert_eq!(state.advance(135), Some(140));
        assert_eq!(state.expirations, 4);
        let mut once = State {
            deadline_ns: Some(100),
            ..State::default()
        };
        assert_eq!((once.advance(5000), once.expirations), (None, 1));
    }

    #[test]
    fn a_period_longer_than_the_clock_goes_does_not_come_again() {
        let mut state = State {
            deadline_ns: Some(100),
            interval_ns: u64::MAX,
            expirations: 0,
        };
        assert_eq!(state.advance(100), Some(u64::MAX));
        assert_eq!(
            (state.advance(1 << 60), state.expirations),
            (Some(u64::MAX), 1)
        );
    }

    #[test]
    fn a_reader_waits_for_the_expiry() {
        let (file, timer) = open(OpenFlags::empty());
        let start = smp::now_ns();
        timer.set(
            Setting {
                interval_ns: 0,
                value_ns: 5 * MS,
            },
            false,
        );
        assert_eq!(file.file().poll(), PollEvents::empty());
        assert_eq!(read(&file), Ok(1));
        assert!(smp::now_ns() >= start + 5 * MS);
        assert_eq!(timer.setting(), Setting::default());
    }

    #[test]
    fn a_periodic_timer_goes_on() {
        let (file, timer) = open(OpenFlags::empty());
        timer.set(
            Setting {
                interval_ns: MS,
                value_ns: MS,
            },
            false,
        );
        let mut expirations = 0;
        while expirations < 4 {
            expirations += read(&file).unwrap();
        }
        assert_eq!(timer.setting().interval_ns, MS);
        timer.set(Setting::default(), false);
        let _ = file.file().poll();
        assert_eq!(timer.setting(), Setting::default());
    }

    #[test]
    fn setting_tells_what_was_left_and_forgets_expiries() {
        let (file, timer) = open(OpenFlags::NONBLOCK);
        assert_eq!(read(&file), Err(Errno::EAGAIN));
        timer.set(
            Setting {
                interval_ns: 7,
                value_ns: 1,
            },
            true,
        );
        assert!(read(&file).unwrap() > 1);
        timer.set(
            Setting {
                interval_ns: 0,
                value_ns: 3_600_000 * MS,
            },
            false,
        );
        let old = timer.set(Setting::default(), false);
        assert!(old.value_ns > 3_599_000 * MS && old.value_ns <= 3_600_000 * MS);
        assert_eq!(read(&file), Err(Errno::EAGAIN));
    }
}
