//! The interval timers of a process.

use crate::harness::{Failure, Outcome};
use std::time::Duration;

/// Sends SIGALRM each `period`; never, for zero.
pub fn alarm_each(period: Duration) -> Outcome {
    start(libc::ITIMER_REAL, period, period).map(drop)
}

/// The first time in `first`, then each `every`; zero: not at all.
pub fn after(first: Duration, every: Duration) -> libc::itimerval {
    let value = |time: Duration| libc::timeval {
        tv_sec: time.as_secs() as i64,
        tv_usec: time.subsec_micros().into(),
    };
    libc::itimerval {
        it_interval: value(every),
        it_value: value(first),
    }
}

/// setitimer(2); returns what was left of the timer before.
pub fn start(which: i32, first: Duration, every: Duration) -> Result<Duration, Failure> {
    let (new, mut old) = (after(first, every), after(Duration::ZERO, Duration::ZERO));
    // SAFETY: both outlive the call.
    let answer = unsafe { libc::setitimer(which, &raw const new, &raw mut old) };
    ensure_eq!(answer, 0);
    Ok(duration(old.it_value))
}

pub fn left(which: i32) -> Result<Duration, Failure> {
    let mut now = after(Duration::ZERO, Duration::ZERO);
    // SAFETY: it outlives the call.
    ensure_eq!(unsafe { libc::getitimer(which, &raw mut now) }, 0);
    Ok(duration(now.it_value))
}

fn duration(value: libc::timeval) -> Duration {
    Duration::new(value.tv_sec as u64, value.tv_usec as u32 * 1000)
}
