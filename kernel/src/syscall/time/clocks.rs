//! Clocks: what they show, how fine, and who may set them (clock_gettime(2)).

use super::{TimeSpec, TimeVal};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::cpu_time::CpuClock;
use crate::process::{Capabilities, current};
use crate::time::{self, NANOSECONDS, TICKS_PER_SECOND};
use crate::user_memory::UserPtr;
use linux_raw_sys::general::*;

/// Ticks of the counter are finer than this on every machine there is.
const RESOLUTION_NS: u64 = 1;

/// What `clock` (clock_gettime(2)) reads.
fn read_clock(clock: i32) -> Result<u64> {
    match clock as u32 {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE | CLOCK_TAI => Ok(time::realtime_ns()),
        CLOCK_MONOTONIC | CLOCK_MONOTONIC_RAW | CLOCK_MONOTONIC_COARSE | CLOCK_BOOTTIME => {
            Ok(time::monotonic_ns())
        }
        _ => Ok(CpuClock::from_number(clock)?.now_ns()),
    }
}

pub fn clock_gettime(registers: &mut TrapFrame) -> Result<usize> {
    let now = read_clock(registers.argument(0) as i32)?;
    UserPtr::new(registers.argument(1)).write(TimeSpec::from_ns(now))?;
    Ok(0)
}

pub fn clock_getres(registers: &mut TrapFrame) -> Result<usize> {
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

pub fn clock_settime(registers: &mut TrapFrame) -> Result<usize> {
    if registers.argument(0) as u32 != CLOCK_REALTIME {
        return Err(Errno::EINVAL);
    }
    set_real_clock(
        UserPtr::<TimeSpec>::new(registers.argument(1))
            .read()?
            .to_ns()?,
    )
}

pub fn settimeofday(registers: &mut TrapFrame) -> Result<usize> {
    match UserPtr::<TimeVal>::new(registers.argument(0)).optional() {
        Some(now) => set_real_clock(now.read()?.to_ns()?),
        None => Err(Errno::EINVAL), // only the time zone, which the kernel does not keep
    }
}

pub fn gettimeofday(registers: &mut TrapFrame) -> Result<usize> {
    if let Some(pointer) = UserPtr::new(registers.argument(0)).optional() {
        pointer.write(TimeVal::from_ns(time::realtime_ns()))?;
    }
    if let Some(zone) = UserPtr::<[i32; 2]>::new(registers.argument(1)).optional() {
        zone.write([0, 0])?;
    }
    Ok(0)
}

pub fn times(registers: &mut TrapFrame) -> Result<usize> {
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
