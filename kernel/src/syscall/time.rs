//! Clocks, sleeping, timers (time(7)).

use super::Calls;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::itimer::{Notice, Setting};
use crate::process::signal::Signal;
use crate::process::{Capabilities, CpuTimes, current, process_by_pid, restart_with, task_by_tid};
use crate::time::{self, NANOSECONDS, TICKS_PER_SECOND};
use crate::user_memory::{UserPtr, plain};
use crate::wait;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[
    (__NR_clock_gettime as usize, clock_gettime),
    (__NR_clock_settime as usize, clock_settime),
    (__NR_clock_getres as usize, clock_getres),
    (__NR_clock_nanosleep as usize, clock_nanosleep),
    (__NR_nanosleep as usize, nanosleep),
    (__NR_gettimeofday as usize, gettimeofday),
    (__NR_settimeofday as usize, settimeofday),
    (__NR_times as usize, times),
    (__NR_getitimer as usize, getitimer),
    (__NR_setitimer as usize, setitimer),
    (__NR_timer_create as usize, timer_create),
    (__NR_timer_settime as usize, timer_settime),
    (__NR_timer_gettime as usize, timer_gettime),
    (__NR_timer_delete as usize, timer_delete),
];

/// `struct timespec`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpec {
    pub seconds: i64,
    pub nanoseconds: i64,
}
plain!(TimeSpec);

/// `struct timeval`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeVal {
    pub seconds: i64,
    pub microseconds: i64,
}
plain!(TimeVal);

impl TimeSpec {
    pub fn from_ns(ns: u64) -> Self {
        Self {
            seconds: (ns / NANOSECONDS) as i64,
            nanoseconds: (ns % NANOSECONDS) as i64,
        }
    }

    /// In nanoseconds, at most `u64::MAX`; `EINVAL` if negative or not normalised.
    pub fn to_ns(self) -> Result<u64> {
        if self.seconds < 0 || !(0..NANOSECONDS as i64).contains(&self.nanoseconds) {
            return Err(Errno::EINVAL);
        }
        Ok((self.seconds as u64)
            .saturating_mul(NANOSECONDS)
            .saturating_add(self.nanoseconds as u64))
    }
}

impl TimeVal {
    pub fn from_ns(ns: u64) -> Self {
        Self {
            seconds: (ns / NANOSECONDS) as i64,
            microseconds: (ns % NANOSECONDS / 1000) as i64,
        }
    }

    /// As [`TimeSpec::to_ns`].
    pub fn to_ns(self) -> Result<u64> {
        TimeSpec {
            seconds: self.seconds,
            nanoseconds: self.microseconds.saturating_mul(1000),
        }
        .to_ns()
    }
}

/// Ticks of the counter are finer than this on every machine there is.
const RESOLUTION_NS: u64 = 1;

fn total(times: CpuTimes) -> u64 {
    times.user_ns + times.system_ns
}

/// What `clock` (clock_gettime(2)) reads.
fn read_clock(clock: i32) -> Result<u64> {
    if clock < 0 {
        return read_cpu_clock(clock);
    }
    match clock as u32 {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE | CLOCK_TAI => Ok(time::realtime_ns()),
        CLOCK_MONOTONIC | CLOCK_MONOTONIC_RAW | CLOCK_MONOTONIC_COARSE | CLOCK_BOOTTIME => {
            Ok(time::monotonic_ns())
        }
        CLOCK_PROCESS_CPUTIME_ID => Ok(total(current().process().cpu_times())),
        CLOCK_THREAD_CPUTIME_ID => Ok(current().thread().stats().run_ns),
        _ => Err(Errno::EINVAL),
    }
}

/// Clocks of other processes and threads (clock_getcpuclockid(3)): `~id << 3 | thread << 2 | kind`.
fn read_cpu_clock(clock: i32) -> Result<u64> {
    const THREAD: i32 = 4;
    let id = !(clock >> 3) as u32;
    if clock & 3 == 3 {
        return Err(Errno::EINVAL);
    }
    match (clock & THREAD != 0, id) {
        (true, 0) => Ok(current().thread().stats().run_ns),
        (true, tid) => {
            let task = task_by_tid(tid).map_err(|_| Errno::EINVAL)?;
            let own = task.process().pid() == current().pid();
            if own {
                Ok(task.thread().stats().run_ns)
            } else {
                Err(Errno::EINVAL)
            }
        }
        (false, 0) => Ok(total(current().process().cpu_times())),
        (false, pid) => Ok(total(
            process_by_pid(pid).map_err(|_| Errno::EINVAL)?.cpu_times(),
        )),
    }
}

fn clock_gettime(registers: &mut TrapFrame) -> Result<usize> {
    let now = read_clock(registers.argument(0) as i32)?;
    UserPtr::new(registers.argument(1)).write(TimeSpec::from_ns(now))?;
    Ok(0)
}

fn clock_getres(registers: &mut TrapFrame) -> Result<usize> {
    read_clock(registers.argument(0) as i32)?;
    if let Some(pointer) = UserPtr::new(registers.argument(1)).optional() {
        pointer.write(TimeSpec::from_ns(RESOLUTION_NS))?;
    }
    Ok(0)
}

fn set_real_clock(now: u64) -> Result<usize> {
    if !current().credentials().has(Capabilities::SYS_TIME) {
        return Err(Errno::EPERM);
    }
    time::set_realtime_ns(now);
    Ok(0)
}

fn clock_settime(registers: &mut TrapFrame) -> Result<usize> {
    if registers.argument(0) as u32 != CLOCK_REALTIME {
        return Err(Errno::EINVAL);
    }
    set_real_clock(
        UserPtr::<TimeSpec>::new(registers.argument(1))
            .read()?
            .to_ns()?,
    )
}

fn settimeofday(registers: &mut TrapFrame) -> Result<usize> {
    match UserPtr::<TimeVal>::new(registers.argument(0)).optional() {
        Some(now) => set_real_clock(now.read()?.to_ns()?),
        None => Err(Errno::EINVAL), // only the time zone, which the kernel does not keep
    }
}

fn gettimeofday(registers: &mut TrapFrame) -> Result<usize> {
    if let Some(pointer) = UserPtr::new(registers.argument(0)).optional() {
        pointer.write(TimeVal::from_ns(time::realtime_ns()))?;
    }
    if let Some(zone) = UserPtr::<[i32; 2]>::new(registers.argument(1)).optional() {
        zone.write([0, 0])?;
    }
    Ok(0)
}

fn nanosleep(registers: &mut TrapFrame) -> Result<usize> {
    let duration = UserPtr::<TimeSpec>::new(registers.argument(0))
        .read()?
        .to_ns()?;
    sleep(
        time::monotonic_ns().saturating_add(duration),
        registers.argument(1),
    )
}

/// Sleeps until `deadline_ns`; if interrupted, says at `remaining` how long was left.
fn sleep(deadline_ns: u64, remaining: usize) -> Result<usize> {
    let interrupted = match wait::until(deadline_ns) {
        Ok(()) => return Ok(0),
        Err(error) => error,
    };
    if let Some(pointer) = UserPtr::new(remaining).optional() {
        pointer.write(TimeSpec::from_ns(
            deadline_ns.saturating_sub(time::monotonic_ns()),
        ))?;
    }
    if interrupted != Errno::RESTART {
        return Err(interrupted);
    }
    Err(restart_with(move || sleep(deadline_ns, remaining)))
}

fn clock_nanosleep(registers: &mut TrapFrame) -> Result<usize> {
    let (clock, flags) = (registers.argument(0) as u32, registers.argument(1) as u32);
    let request = UserPtr::<TimeSpec>::new(registers.argument(2))
        .read()?
        .to_ns()?;
    if !matches!(
        clock,
        CLOCK_REALTIME | CLOCK_MONOTONIC | CLOCK_BOOTTIME | CLOCK_TAI
    ) {
        return Err(if clock == CLOCK_PROCESS_CPUTIME_ID {
            Errno::EOPNOTSUPP
        } else {
            Errno::EINVAL
        });
    }
    if flags & TIMER_ABSTIME == 0 {
        return sleep(
            time::monotonic_ns().saturating_add(request),
            registers.argument(3),
        );
    }
    let real = matches!(clock, CLOCK_REALTIME | CLOCK_TAI);
    let deadline_ns = if real {
        time::monotonic_from_real_ns(request)
    } else {
        request
    };
    wait::until(deadline_ns).map_err(|_| Errno::RESTART_NO_HANDLER)?;
    Ok(0)
}

fn times(registers: &mut TrapFrame) -> Result<usize> {
    let ticks = |ns: u64| ns / (NANOSECONDS / TICKS_PER_SECOND);
    let process = current().process().clone();
    let (own, children) = (process.cpu_times(), process.children_times());
    if let Some(pointer) = UserPtr::<[u64; 4]>::new(registers.argument(0)).optional() {
        pointer.write(
            [
                own.user_ns,
                own.system_ns,
                children.user_ns,
                children.system_ns,
            ]
            .map(ticks),
        )?;
    }
    Ok(ticks(time::monotonic_ns()) as usize)
}

/// Interval and value, as user space orders them.
fn to_pair(setting: Setting) -> [u64; 2] {
    let left = match setting.next_ns {
        0 => 0,
        // A timer about to fire still has some time left.
        next => next.saturating_sub(time::monotonic_ns()).max(1000),
    };
    [setting.interval_ns, left]
}

fn check_itimer(which: usize) -> Result<()> {
    match which as u32 {
        ITIMER_REAL => Ok(()),
        // CPU-time timers are not here.
        ITIMER_VIRTUAL | ITIMER_PROF => Err(Errno::ENOSYS),
        _ => Err(Errno::EINVAL),
    }
}

fn write_itimer(address: usize, setting: Setting) -> Result<()> {
    UserPtr::new(address).optional().map_or(Ok(()), |pointer| {
        pointer.write(to_pair(setting).map(TimeVal::from_ns))
    })
}

fn getitimer(registers: &mut TrapFrame) -> Result<usize> {
    check_itimer(registers.argument(0))?;
    UserPtr::new(registers.argument(1))
        .write(to_pair(current().process().timers.real()).map(TimeVal::from_ns))?;
    Ok(0)
}

fn setitimer(registers: &mut TrapFrame) -> Result<usize> {
    check_itimer(registers.argument(0))?;
    let [interval, value] = match UserPtr::<[TimeVal; 2]>::new(registers.argument(1)).optional() {
        Some(pointer) => pointer.read()?,
        None => {
            [TimeVal {
                seconds: 0,
                microseconds: 0,
            }; 2]
        }
    };
    let setting = setting(interval.to_ns()?, value.to_ns()?);
    let process = current().process().clone();
    let old = process.timers.set_real(&process, setting);
    write_itimer(registers.argument(2), old)?;
    Ok(0)
}

/// A setting `value_ns` from now; 0 disarms.
fn setting(interval_ns: u64, value_ns: u64) -> Setting {
    match value_ns {
        0 => Setting::default(),
        _ => Setting {
            next_ns: time::monotonic_ns().saturating_add(value_ns),
            interval_ns,
        },
    }
}

/// `struct sigevent`.
#[repr(C)]
#[derive(Clone, Copy)]
struct SigEvent {
    value: u64,
    signo: i32,
    notify: u32,
    thread: u32,
    pad: [u32; 11],
}
plain!(SigEvent);

fn timer_create(registers: &mut TrapFrame) -> Result<usize> {
    let clock = registers.argument(0) as i32;
    if !matches!(
        clock as u32,
        CLOCK_REALTIME | CLOCK_MONOTONIC | CLOCK_BOOTTIME
    ) {
        return Err(Errno::EINVAL);
    }
    let event = UserPtr::<SigEvent>::new(registers.argument(1))
        .optional()
        .map(UserPtr::read)
        .transpose()?;
    let (signal, thread) = match event.map(|event| (event.notify, event)) {
        None => (Some(Signal::ALRM), None),
        Some((SIGEV_NONE, _)) => (None, None),
        Some((SIGEV_SIGNAL, event)) => (Some(Signal::new(event.signo as usize)?), None),
        Some((SIGEV_THREAD_ID, event)) => {
            let task = task_by_tid(event.thread).map_err(|_| Errno::EINVAL)?;
            if task.process().pid() != current().pid() {
                return Err(Errno::EINVAL);
            }
            (Some(Signal::new(event.signo as usize)?), Some(event.thread))
        }
        Some(_) => return Err(Errno::EINVAL),
    };
    let process = current().process().clone();
    let id = process.timers.create(&process, clock, |id| match signal {
        Some(signal) => Notice::Posix {
            id,
            signal,
            value: event.map_or(id.into(), |event| event.value),
            thread,
        },
        None => Notice::None { id },
    })?;
    if let Err(error) = UserPtr::<u32>::new(registers.argument(2)).write(id) {
        process.timers.delete(id)?;
        return Err(error);
    }
    Ok(0)
}

fn timer_settime(registers: &mut TrapFrame) -> Result<usize> {
    let (id, flags) = (registers.argument(0) as u32, registers.argument(1) as u32);
    let [interval, value] = UserPtr::<[TimeSpec; 2]>::new(registers.argument(2)).read()?;
    let (interval, value) = (interval.to_ns()?, value.to_ns()?);
    let timers = &current().process().clone().timers;
    let (_, clock) = timers.get(id)?;
    let new = match value {
        value if value == 0 || flags & TIMER_ABSTIME == 0 => setting(interval, value),
        value if clock as u32 == CLOCK_REALTIME => Setting {
            next_ns: time::monotonic_from_real_ns(value).max(1),
            interval_ns: interval,
        },
        value => Setting {
            next_ns: value,
            interval_ns: interval,
        },
    };
    let old = timers.set(id, new)?;
    write_timer(registers.argument(3), old)?;
    Ok(0)
}

fn write_timer(address: usize, setting: Setting) -> Result<()> {
    UserPtr::new(address).optional().map_or(Ok(()), |pointer| {
        pointer.write(to_pair(setting).map(TimeSpec::from_ns))
    })
}

fn timer_gettime(registers: &mut TrapFrame) -> Result<usize> {
    let (setting, _) = current()
        .process()
        .timers
        .get(registers.argument(0) as u32)?;
    UserPtr::new(registers.argument(1)).write(to_pair(setting).map(TimeSpec::from_ns))?;
    Ok(0)
}

fn timer_delete(registers: &mut TrapFrame) -> Result<usize> {
    current()
        .process()
        .timers
        .delete(registers.argument(0) as u32)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_times_are_refused() {
        let spec = |seconds, nanoseconds| {
            TimeSpec {
                seconds,
                nanoseconds,
            }
            .to_ns()
        };
        assert_eq!(spec(1, 5), Ok(1_000_000_005));
        assert_eq!(spec(-1, 0), Err(Errno::EINVAL));
        assert_eq!(spec(0, 1_000_000_000), Err(Errno::EINVAL));
        assert_eq!(spec(0, -1), Err(Errno::EINVAL));
        assert_eq!(spec(i64::MAX, 0), Ok(u64::MAX));
        assert_eq!(
            TimeVal {
                seconds: 0,
                microseconds: i64::MAX
            }
            .to_ns(),
            Err(Errno::EINVAL)
        );
        assert_eq!(
            TimeSpec::from_ns(1_500_000_000),
            TimeSpec {
                seconds: 1,
                nanoseconds: 500_000_000
            }
        );
    }
}
