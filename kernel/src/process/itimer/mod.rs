//! Timers that send signals: setitimer(2), alarm, and POSIX timers (timer_create(2)).
//!
//! A periodic timer whose signal is queued is parked: whoever takes the signal arms it again and
//! counts what was missed. So a period shorter than an interrupt takes costs an interrupt per
//! signal taken, and not the whole machine.

mod armed;
mod setting;

pub use setting::{First, Remaining};

use super::Process;
use super::cpu_time::clock::Counts;
use super::cpu_time::{CpuClock, Place};
use super::signal::info::code;
use super::signal::{SigInfo, Signal};
use crate::error::{Errno, Result};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use armed::{Armed, UNHEARD_PERIOD_NS};
use core::ops::Bound;
use smp::SpinLock;

/// The clock of a timer. What is real time is told in monotonic time here.
#[derive(Clone)]
pub enum Clock {
    Real,
    Monotonic,
    Cpu(CpuClock),
}

impl Clock {
    fn now_ns(&self) -> u64 {
        match self {
            Self::Real | Self::Monotonic => smp::now_ns(),
            Self::Cpu(clock) => clock.now_ns(),
        }
    }
}

/// The timers of setitimer(2), by Linux number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Interval {
    Real = 0,
    Virtual = 1,
    Profiling = 2,
}

impl Interval {
    const ALL: [Self; 3] = [Self::Real, Self::Virtual, Self::Profiling];

    pub fn from_number(number: usize) -> Result<Self> {
        Self::ALL.get(number).copied().ok_or(Errno::EINVAL)
    }

    fn signal(self) -> Signal {
        match self {
            Self::Real => Signal::ALRM,
            Self::Virtual => Signal::VTALRM,
            Self::Profiling => Signal::PROF,
        }
    }

    fn clock(self, process: &Arc<Process>) -> Clock {
        let cpu = |counts| Clock::Cpu(CpuClock::of_process(process, counts));
        match self {
            Self::Real => Clock::Monotonic,
            Self::Virtual => cpu(Counts::User),
            Self::Profiling => cpu(Counts::UserAndSystem),
        }
    }
}

/// Which of a process's timers.
#[derive(Clone, Copy, Debug)]
enum TimerId {
    Interval(Interval),
    Posix(u32),
}

/// What a timer does when it fires.
#[derive(Clone, Copy, Debug)]
pub enum Notice {
    /// The signal of setitimer(2).
    Interval(Interval),
    /// A signal with the timer's id and value.
    Posix {
        id: u32,
        signal: Signal,
        value: u64,
        thread: Option<u32>,
    },
    /// Nothing: it is only read.
    None { id: u32 },
}

/// The timers of a process. All stop with it.
#[derive(Default)]
pub struct Timers {
    inner: SpinLock<Inner>,
}

#[derive(Default)]
struct Inner {
    interval: [Option<Armed>; 3],
    posix: BTreeMap<u32, Armed>,
    next_id: u32,
}

impl Inner {
    fn get(&self, id: TimerId) -> Option<&Armed> {
        match id {
            TimerId::Interval(which) => self.interval[which as usize].as_ref(),
            TimerId::Posix(id) => self.posix.get(&id),
        }
    }
}

/// More would be somebody's mistake (RLIMIT_SIGPENDING's default in Linux counts them too).
const MAX_POSIX_TIMERS: usize = 1024;

/// A signal of the process is taken: the timer that sent it goes on, and the signal tells how
/// often that timer has expired since.
pub(super) fn taken(process: &Process, signal: Signal, info: &mut SigInfo) {
    if let Some(which) = Interval::ALL.into_iter().find(|it| it.signal() == signal) {
        process
            .timers
            .resume(TimerId::Interval(which), Clock::now_ns);
    }
    if info.code == code::TIMER {
        let id = TimerId::Posix(info.pid());
        let missed = process.timers.resume(id, Clock::now_ns);
        info.set_overrun(info.uid().saturating_add(missed.min(MAX_OVERRUN) as u32));
    }
}

/// `DELAYTIMER_MAX`: overruns are counted in an int.
const MAX_OVERRUN: u64 = i32::MAX as u64;

impl Timers {
    /// [`Armed::resume`] for one of them.
    fn resume(&self, id: TimerId, earliest_ns: impl FnOnce(&Clock) -> u64) -> u64 {
        let inner = self.inner.lock();
        inner.get(id).map_or(0, |armed| armed.resume(earliest_ns))
    }

    /// Signals were forgotten: no timer may wait for them. Each is locked for itself, as there may
    /// be many.
    pub(super) fn resume_all(&self) {
        let late = |clock: &Clock| clock.now_ns() + UNHEARD_PERIOD_NS;
        for which in Interval::ALL {
            self.resume(TimerId::Interval(which), late);
        }
        let mut after = Bound::Unbounded;
        while let Some(id) = self.next_posix(after) {
            self.resume(TimerId::Posix(id), late);
            after = Bound::Excluded(id);
        }
    }

    fn next_posix(&self, after: Bound<u32>) -> Option<u32> {
        let inner = self.inner.lock();
        let next = inner.posix.range((after, Bound::Unbounded)).next();
        next.map(|(&id, _)| id)
    }

    /// setitimer(2); returns the old setting.
    pub fn set_interval(
        &self,
        process: &Arc<Process>,
        which: Interval,
        first: First,
        interval_ns: u64,
    ) -> Remaining {
        let mut inner = self.inner.lock();
        inner.interval[which as usize]
            .get_or_insert_with(|| {
                let (clock, notice) = (which.clock(process), Notice::Interval(which));
                Armed::new(process, clock, None, notice)
            })
            .set(first, interval_ns)
    }

    pub fn interval(&self, which: Interval) -> Remaining {
        let inner = self.inner.lock();
        let armed = inner.get(TimerId::Interval(which));
        armed.map(Armed::get).unwrap_or_default()
    }

    /// timer_create(2): `notice` gets the id. `EAGAIN` if there are too many.
    pub fn create(
        &self,
        process: &Arc<Process>,
        clock: Clock,
        notice: impl FnOnce(u32) -> Notice,
    ) -> Result<u32> {
        let place = match &clock {
            Clock::Cpu(clock) => Some(Place::take(process, clock)?),
            Clock::Real | Clock::Monotonic => None,
        };
        let mut inner = self.inner.lock();
        if inner.posix.len() >= MAX_POSIX_TIMERS {
            return Err(Errno::EAGAIN);
        }
        let id = inner.next_id;
        inner.next_id += 1;
        let armed = Armed::new(process, clock, place, notice(id));
        inner.posix.insert(id, armed);
        Ok(id)
    }

    pub fn set(&self, id: u32, first: First, interval_ns: u64) -> Result<Remaining> {
        let inner = self.inner.lock();
        let armed = inner.posix.get(&id).ok_or(Errno::EINVAL)?;
        Ok(armed.set(first, interval_ns))
    }

    pub fn get(&self, id: u32) -> Result<Remaining> {
        let inner = self.inner.lock();
        inner.posix.get(&id).map(Armed::get).ok_or(Errno::EINVAL)
    }

    /// The clock of a timer.
    pub fn clock(&self, id: u32) -> Result<Clock> {
        let inner = self.inner.lock();
        let armed = inner.posix.get(&id).ok_or(Errno::EINVAL)?;
        Ok(armed.clock.clone())
    }

    pub fn delete(&self, id: u32) -> Result<()> {
        let removed = self.inner.lock().posix.remove(&id);
        removed.map(drop).ok_or(Errno::EINVAL)
    }

    /// execve: POSIX timers end, the interval timers go on.
    pub fn cancel_posix(&self) {
        let removed = core::mem::take(&mut self.inner.lock().posix);
        drop(removed);
    }

    pub fn cancel_all(&self) {
        self.cancel_posix();
        let interval = core::mem::take(&mut self.inner.lock().interval);
        drop(interval);
    }
}
