//! `RLIMIT_CPU` (getrlimit(2)): a process that has used as many seconds as the soft limit says gets
//! `SIGXCPU`, and again each second that follows; at the hard limit it is killed.

use super::clock::Counts;
use super::{CpuClock, CpuTimer};
use crate::process::rlimits::{INFINITY, Limit};
use crate::process::signal::{SigInfo, Signal, send};
use crate::process::{Process, Resource};
use crate::time::NANOSECONDS;
use alloc::sync::Arc;

/// The limit of `process` is new: it holds from now on.
pub fn watch(process: &Arc<Process>) {
    // Before the limit is read: of two who set one, the timer gets the later.
    let mut timer = process.cpu_limit.lock();
    let soft = process.rlimit(Resource::Cpu);
    if soft == INFINITY {
        *timer = None;
        return;
    }
    let used_ns = process.cpu_times().total_ns();
    let timer = timer.get_or_insert_with(|| timer_of(process));
    timer.arm(soft.saturating_mul(NANOSECONDS), used_ns);
}

/// A process has been made, with the limit of its maker.
pub fn inherited(process: &Arc<Process>) {
    if process.rlimit(Resource::Cpu) != INFINITY {
        watch(process);
    }
}

fn timer_of(process: &Arc<Process>) -> CpuTimer {
    let owner = Arc::downgrade(process);
    let clock = CpuClock::of_process(process, Counts::UserAndSystem);
    CpuTimer::new(clock, move |used_ns| {
        if let Some(process) = owner.upgrade() {
            reached(&process, used_ns / NANOSECONDS);
        }
    })
}

fn reached(process: &Arc<Process>, used_s: u64) {
    let signal = {
        let mut limits = process.limits().lock();
        let limit = limits.of(Resource::Cpu);
        match next(*limit, used_s) {
            Some((signal, soft)) => {
                limit.soft = soft;
                Some(signal)
            }
            None => None,
        }
    };
    if let Some(signal) = signal {
        // It is no real-time signal: there is always room.
        let _ = send::send_to_process(process, SigInfo::kernel(signal));
    }
    if signal != Some(Signal::KILL) {
        watch(process);
    }
}

/// What `used_s` seconds lead to, and the soft limit that follows.
fn next(limit: Limit, used_s: u64) -> Option<(Signal, u64)> {
    match used_s {
        used if used >= limit.hard => Some((Signal::KILL, limit.soft)),
        used if used >= limit.soft => Some((Signal::XCPU, limit.soft + 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_each_second_and_then_the_end() {
        let limit = |soft| Limit { soft, hard: 3 };
        assert_eq!(next(limit(1), 0), None);
        assert_eq!(next(limit(1), 1), Some((Signal::XCPU, 2)));
        assert_eq!(next(limit(2), 1), None);
        assert_eq!(next(limit(2), 2), Some((Signal::XCPU, 3)));
        assert_eq!(next(limit(3), 3), Some((Signal::KILL, 3)));
        assert_eq!(next(limit(0), 0), Some((Signal::XCPU, 1)), "at once");
    }
}
