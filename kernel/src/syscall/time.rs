//! Clocks, sleeping, timers (time(7)): the structures they share; `time/*.rs`: the calls.

mod clocks;
mod sleep;
mod timers;

use super::Calls;
use crate::error::{Errno, Result};
use crate::time::NANOSECONDS;
use crate::user_memory::plain;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[
    (__NR_clock_gettime as usize, clocks::clock_gettime),
    (__NR_clock_settime as usize, clocks::clock_settime),
    (__NR_clock_getres as usize, clocks::clock_getres),
    (__NR_clock_nanosleep as usize, sleep::clock_nanosleep),
    (__NR_nanosleep as usize, sleep::nanosleep),
    (__NR_gettimeofday as usize, clocks::gettimeofday),
    (__NR_settimeofday as usize, clocks::settimeofday),
    (__NR_times as usize, clocks::times),
    (__NR_getitimer as usize, timers::getitimer),
    (__NR_setitimer as usize, timers::setitimer),
    (__NR_timer_create as usize, timers::timer_create),
    (__NR_timer_settime as usize, timers::timer_settime),
    (__NR_timer_gettime as usize, timers::timer_gettime),
    (__NR_timer_delete as usize, timers::timer_delete),
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
