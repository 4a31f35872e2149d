//! Sleeping (clock_nanosleep(2)).

use super::TimeSpec;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::restart_with;
use crate::user_memory::UserPtr;
use crate::{time, wait};
use linux_raw_sys::general::*;

pub fn nanosleep(registers: &mut TrapFrame) -> Result<usize> {
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

pub fn clock_nanosleep(registers: &mut TrapFrame) -> Result<usize> {
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
