//! Timers as descriptors.

use super::{creation_flags, file_as, insert};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::OpenFlags;
use crate::fs::timerfd::{Clock, Setting, TimerFd};
use crate::syscall::time::TimeSpec;
use crate::user_memory::{UserPtr, plain};
use linux_raw_sys::general::*;

/// `struct itimerspec`.
#[repr(C)]
#[derive(Clone, Copy)]
struct TimerSpec {
    interval: TimeSpec,
    value: TimeSpec,
}

plain!(TimerSpec);

impl TimerSpec {
    fn from_setting(setting: Setting) -> Self {
        Self {
            interval: TimeSpec::from_ns(setting.interval_ns),
            value: TimeSpec::from_ns(setting.value_ns),
        }
    }

    fn setting(self) -> Result<Setting> {
        Ok(Setting {
            interval_ns: self.interval.to_ns()?,
            value_ns: self.value.to_ns()?,
        })
    }
}

pub fn timerfd_create(registers: &mut TrapFrame) -> Result<usize> {
    let clock = match registers.argument(0) as u32 {
        CLOCK_REALTIME => Clock::Real,
        CLOCK_MONOTONIC | CLOCK_BOOTTIME => Clock::Monotonic,
        _ => return Err(Errno::EINVAL),
    };
    let flags = creation_flags(registers.argument(1), 0)?;
    insert(TimerFd::open(clock, flags - OpenFlags::CLOEXEC), flags)
}

/// Not there: TFD_TIMER_CANCEL_ON_SET (`EINVAL`).
pub fn timerfd_settime(registers: &mut TrapFrame) -> Result<usize> {
    let flags = registers.argument(1) as u32;
    if flags & !TFD_TIMER_ABSTIME != 0 {
        return Err(Errno::EINVAL);
    }
    let setting = UserPtr::<TimerSpec>::new(registers.argument(2))
        .read()?
        .setting()?;
    let timer = file_as::<TimerFd>(registers.argument(0), Errno::EINVAL)?;
    let old = timer.set(setting, flags & TFD_TIMER_ABSTIME != 0);
    if let Some(pointer) = UserPtr::<TimerSpec>::new(registers.argument(3)).optional() {
        pointer.write(TimerSpec::from_setting(old))?;
    }
    Ok(0)
}

pub fn timerfd_gettime(registers: &mut TrapFrame) -> Result<usize> {
    let timer = file_as::<TimerFd>(registers.argument(0), Errno::EINVAL)?;
    UserPtr::new(registers.argument(1)).write(TimerSpec::from_setting(timer.setting()))?;
    Ok(0)
}
