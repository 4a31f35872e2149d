//! Interval timers and POSIX timers (setitimer(2), timer_create(2)).

use super::{TimeSpec, TimeVal};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::itimer::{Notice, Setting};
use crate::process::signal::Signal;
use crate::process::{current, task_by_tid};
use crate::time;
use crate::user_memory::{UserPtr, plain};
use linux_raw_sys::general::*;

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

pub fn getitimer(registers: &mut TrapFrame) -> Result<usize> {
    check_itimer(registers.argument(0))?;
    UserPtr::new(registers.argument(1))
        .write(to_pair(current().process().timers.real()).map(TimeVal::from_ns))?;
    Ok(0)
}

pub fn setitimer(registers: &mut TrapFrame) -> Result<usize> {
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

pub fn timer_create(registers: &mut TrapFrame) -> Result<usize> {
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

pub fn timer_settime(registers: &mut TrapFrame) -> Result<usize> {
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

pub fn timer_gettime(registers: &mut TrapFrame) -> Result<usize> {
    let (setting, _) = current()
        .process()
        .timers
        .get(registers.argument(0) as u32)?;
    UserPtr::new(registers.argument(1)).write(to_pair(setting).map(TimeSpec::from_ns))?;
    Ok(0)
}

pub fn timer_delete(registers: &mut TrapFrame) -> Result<usize> {
    current()
        .process()
        .timers
        .delete(registers.argument(0) as u32)?;
    Ok(0)
}
