//! Interval timers and POSIX timers (setitimer(2), timer_create(2)).

use super::{TimeSpec, TimeVal};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::cpu_time::CpuClock;
use crate::process::itimer::{Clock, First, Interval, Notice, Remaining};
use crate::process::signal::Signal;
use crate::process::{current, task_by_tid};
use crate::time;
use crate::user_memory::{UserPtr, plain};
use linux_raw_sys::general::*;

/// Interval and value, as user space orders them.
fn to_pair(remaining: Remaining) -> [u64; 2] {
    [remaining.interval_ns, remaining.left_ns]
}

fn write_itimer(address: usize, remaining: Remaining) -> Result<()> {
    UserPtr::new(address).optional().map_or(Ok(()), |pointer| {
        pointer.write(to_pair(remaining).map(TimeVal::from_ns))
    })
}

pub fn getitimer(registers: &mut TrapFrame) -> Result<usize> {
    let which = Interval::from_number(registers.argument(0) as u32 as usize)?;
    UserPtr::new(registers.argument(1))
        .write(to_pair(current().process().timers.interval(which)).map(TimeVal::from_ns))?;
    Ok(0)
}

pub fn setitimer(registers: &mut TrapFrame) -> Result<usize> {
    let which = Interval::from_number(registers.argument(0) as u32 as usize)?;
    let [interval, value] = match UserPtr::<[TimeVal; 2]>::new(registers.argument(1)).optional() {
        Some(pointer) => pointer.read()?,
        None => {
            [TimeVal {
                seconds: 0,
                microseconds: 0,
            }; 2]
        }
    };
    let (interval_ns, first) = (interval.to_ns()?, first_in(value.to_ns()?));
    let process = current().process().clone();
    let old = process
        .timers
        .set_interval(&process, which, first, interval_ns);
    write_itimer(registers.argument(2), old)?;
    Ok(0)
}

/// `value_ns` from now; 0 disarms.
fn first_in(value_ns: u64) -> First {
    match value_ns {
        0 => First::Never,
        value => First::In(value),
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

fn timer_clock(number: i32) -> Result<Clock> {
    match number as u32 {
        CLOCK_REALTIME | CLOCK_TAI => Ok(Clock::Real),
        CLOCK_MONOTONIC | CLOCK_BOOTTIME => Ok(Clock::Monotonic),
        _ => Ok(Clock::Cpu(CpuClock::from_number(number)?)),
    }
}

pub fn timer_create(registers: &mut TrapFrame) -> Result<usize> {
    let clock = timer_clock(registers.argument(0) as i32)?;
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
    let first = match (first_in(value), timers.clock(id)?) {
        (First::In(moment), Clock::Real) if flags & TIMER_ABSTIME != 0 => {
            First::At(time::monotonic_from_real_ns(moment))
        }
        (First::In(moment), _) if flags & TIMER_ABSTIME != 0 => First::At(moment),
        (first, _) => first,
    };
    let old = timers.set(id, first, interval)?;
    write_timer(registers.argument(3), old)?;
    Ok(0)
}

fn write_timer(address: usize, remaining: Remaining) -> Result<()> {
    UserPtr::new(address).optional().map_or(Ok(()), |pointer| {
        pointer.write(to_pair(remaining).map(TimeSpec::from_ns))
    })
}

pub fn timer_gettime(registers: &mut TrapFrame) -> Result<usize> {
    let remaining = current()
        .process()
        .timers
        .get(registers.argument(0) as u32)?;
    UserPtr::new(registers.argument(1)).write(to_pair(remaining).map(TimeSpec::from_ns))?;
    Ok(0)
}

pub fn timer_delete(registers: &mut TrapFrame) -> Result<usize> {
    current()
        .process()
        .timers
        .delete(registers.argument(0) as u32)?;
    Ok(0)
}
