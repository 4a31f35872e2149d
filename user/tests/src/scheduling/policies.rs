//! sched_setscheduler(2) and its kin: what they take, tell and refuse.

use super::calls::{
    Attributes, DEADLINE, NOBODY, get_attributes, nice, policy, priority, result, set,
    set_attributes, set_nice, set_priority,
};
use crate::harness::{Outcome, Test};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

pub const TESTS: &[Test] = &[
    ("scheduling.policies", policies),
    ("scheduling.wrong_policies", wrong_policies),
    ("scheduling.wrong_threads", wrong_threads),
    ("scheduling.interval", interval),
    ("scheduling.getcpu", getcpu),
];

fn policies() -> Outcome {
    for (number, level) in [(1, 7), (2, 99), (3, 0), (5, 0), (0, 0)] {
        set(0, number, level)?;
        ensure_eq!((policy(0)?, priority(0)?), (number, level));
    }
    set(0, libc::SCHED_RR, 5)?;
    set_priority(0, 6)?;
    ensure_eq!((policy(0)?, priority(0)?), (libc::SCHED_RR, 6));
    Ok(())
}

fn wrong_policies() -> Outcome {
    let wrong = [
        (77, 0),
        (-1, 0),
        (1, 0),
        (1, 100),
        (1, -1),
        (2, 0),
        (0, 1),
        (3, 1),
        (5, 1),
    ];
    for (number, level) in wrong {
        ensure_eq!(
            (number, level, set(0, number, level)),
            (number, level, Err(Errno::EINVAL))
        );
    }
    ensure_eq!(set(0, DEADLINE, 0), Err(Errno::EINVAL));
    ensure_eq!(set_priority(0, 1), Err(Errno::EINVAL));
    set(0, libc::SCHED_FIFO, 1)?;
    ensure_eq!(set_priority(0, 0), Err(Errno::EINVAL));
    for (number, range) in [
        (0, Ok((0, 0))),
        (1, Ok((1, 99))),
        (2, Ok((1, 99))),
        (3, Ok((0, 0))),
    ] {
        ensure_eq!(priority_range(number), range);
    }
    ensure_eq!(priority_range(DEADLINE), Ok((0, 0)));
    ensure_eq!(priority_range(77), Err(Errno::EINVAL));
    ensure_eq!(priority_range(-1), Err(Errno::EINVAL));
    Ok(())
}

fn priority_range(policy: i32) -> Result<(i32, i32), Errno> {
    // SAFETY: no pointer.
    let min = result(unsafe { libc::syscall(libc::SYS_sched_get_priority_min, policy) })?;
    // SAFETY: no pointer.
    let max = result(unsafe { libc::syscall(libc::SYS_sched_get_priority_max, policy) })?;
    Ok((min, max))
}

fn wrong_threads() -> Outcome {
    for (tid, error) in [(-1, Errno::EINVAL), (NOBODY, Errno::ESRCH)] {
        ensure_eq!(set(tid, 0, 0), Err(error));
        ensure_eq!(set_priority(tid, 0), Err(error));
        ensure_eq!(policy(tid), Err(error));
        ensure_eq!(priority(tid), Err(error));
        ensure_eq!(set_attributes(tid, &Attributes::default(), 0), Err(error));
        ensure_eq!(get_attributes(tid, Attributes::SIZE).map(|_| 0), Err(error));
        let affinity = sched_setaffinity(Pid::from_raw(tid), &CpuSet::new());
        ensure_eq!(affinity, Err(Errno::ESRCH));
    }
    // Who it is comes before what is wanted of it.
    ensure_eq!(set(NOBODY, 77, 0), Err(Errno::ESRCH));
    for (call, null, bad) in [
        (libc::SYS_sched_setparam, Errno::EINVAL, Errno::EFAULT),
        (libc::SYS_sched_getparam, Errno::EINVAL, Errno::EFAULT),
        (
            libc::SYS_sched_rr_get_interval,
            Errno::EFAULT,
            Errno::EFAULT,
        ),
    ] {
        // SAFETY: the kernel refuses the pointers.
        ensure_eq!(result(unsafe { libc::syscall(call, 0, 0) }), Err(null));
        // SAFETY: as above.
        ensure_eq!(result(unsafe { libc::syscall(call, 0, 1) }), Err(bad));
    }
    ensure_eq!(nice(3, 0), Err(Errno::EINVAL));
    ensure_eq!(set_nice(-1, 0, 0), Err(Errno::EINVAL));
    for which in [libc::PRIO_PROCESS, libc::PRIO_PGRP, libc::PRIO_USER] {
        ensure_eq!(nice(which as i32, NOBODY), Err(Errno::ESRCH));
        ensure_eq!(set_nice(which as i32, NOBODY, 0), Err(Errno::ESRCH));
    }
    Ok(())
}

fn interval() -> Outcome {
    let interval = |tid| {
        let mut time = libc::timespec {
            tv_sec: -1,
            tv_nsec: -1,
        };
        // SAFETY: the call writes a timespec.
        let call = unsafe { libc::sched_rr_get_interval(tid, &raw mut time) };
        Errno::result(call).map(|_| time.tv_sec * 1_000_000_000 + time.tv_nsec)
    };
    ensure_eq!(interval(-1), Err(Errno::EINVAL));
    ensure_eq!(interval(NOBODY), Err(Errno::ESRCH));
    ensure!((0..1_000_000_000).contains(&interval(0)?));
    set(0, libc::SCHED_FIFO, 1)?;
    ensure_eq!(interval(0), Ok(0));
    set(0, libc::SCHED_RR, 1)?;
    let turn = std::fs::read_to_string("/proc/sys/kernel/sched_rr_timeslice_ms")?;
    ensure_eq!(interval(0)? / 1_000_000, turn.trim().parse::<i64>()?);
    Ok(())
}

fn getcpu() -> Outcome {
    let (mut cpu, mut node) = (u32::MAX, u32::MAX);
    let call = |cpu: *mut u32, node: *mut u32| {
        // SAFETY: the call writes an int to each, or refuses the pointer.
        result(unsafe { libc::syscall(libc::SYS_getcpu, cpu, node, 0) })
    };
    let none = std::ptr::null_mut();
    ensure_eq!(call(&raw mut cpu, &raw mut node), Ok(0));
    ensure!(cpu != u32::MAX && node != u32::MAX);
    ensure_eq!(call(none, none), Ok(0));
    ensure_eq!(
        call(std::ptr::without_provenance_mut(1), none),
        Err(Errno::EFAULT)
    );
    Ok(())
}
