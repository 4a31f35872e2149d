//! What children inherit, and who may change what.

use super::calls::{
    Attributes, RESET, nice, policy, priority, set, set_attributes, set_nice, set_priority,
};
use crate::harness::{Failure, Outcome, Test, child, status_of, succeeds};
use nix::errno::Errno;
use nix::sched::sched_setaffinity;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Pid, Uid, setuid};

pub const TESTS: &[Test] = &[
    ("scheduling.inherited", inherited),
    ("scheduling.reset_on_fork", reset_on_fork),
    ("scheduling.realtime_limit", realtime_limit),
    ("scheduling.nice_limit", nice_limit),
    ("scheduling.foreign_thread", foreign_thread),
    ("scheduling.niceness_of_many", niceness_of_many),
];

/// What a child finds of its policy, priority and niceness.
fn child_finds(expected: (i32, i32, i32)) -> Outcome {
    let child = child(|| {
        let found = policy(0).and_then(|p| Ok((p, priority(0)?, nice(0, 0)?)));
        status_of((|| {
            ensure_eq!(found, Ok(expected));
            Ok(())
        })())
    })?;
    succeeds(child)
}

fn inherited() -> Outcome {
    set_nice(0, 0, -4)?;
    child_finds((0, 0, -4))?;
    set(0, libc::SCHED_FIFO, 3)?;
    child_finds((1, 3, -4))
}

fn reset_on_fork() -> Outcome {
    set_nice(0, 0, -4)?;
    set(0, RESET, 0)?;
    ensure_eq!(policy(0), Ok(RESET));
    child_finds((0, 0, 0))?;
    set_nice(0, 0, 4)?;
    child_finds((0, 0, 4))?;
    set(0, libc::SCHED_RR | RESET, 3)?;
    ensure_eq!(policy(0), Ok(libc::SCHED_RR | RESET));
    child_finds((0, 0, 0))?;
    // Kept by sched_setparam, ended by sched_setscheduler.
    set_priority(0, 4)?;
    ensure_eq!(policy(0), Ok(libc::SCHED_RR | RESET));
    set(0, libc::SCHED_RR, 4)?;
    ensure_eq!(policy(0), Ok(libc::SCHED_RR));
    child_finds((2, 4, 4))
}

/// The limit that was set; where even root may not raise limits, the test does with none.
fn limit(resource: Resource, wanted: i32) -> Result<i32, Failure> {
    match setrlimit(resource, wanted as u64, wanted as u64) {
        Ok(()) => Ok(wanted),
        Err(Errno::EPERM) => setrlimit(resource, 0, 0).map(|()| 0).map_err(Failure::from),
        Err(error) => Err(error.into()),
    }
}

fn realtime_limit() -> Outcome {
    let limit = limit(Resource::RLIMIT_RTPRIO, 10)?;
    set(0, libc::SCHED_FIFO, limit.max(1))?;
    setuid(Uid::from_raw(1000))?;
    ensure_eq!(set(0, libc::SCHED_FIFO, 11), Err(Errno::EPERM));
    ensure_eq!(set_priority(0, 11), Err(Errno::EPERM));
    let other = set(0, libc::SCHED_RR, 1);
    ensure_eq!(other, if limit > 0 { Ok(0) } else { Err(Errno::EPERM) });
    setrlimit(Resource::RLIMIT_RTPRIO, 0, limit as u64)?;
    // Down is always allowed, up no more, another real-time policy neither.
    set_priority(0, 1)?;
    ensure_eq!(set_priority(0, 2), Err(Errno::EPERM));
    ensure_eq!(set(0, 3 - policy(0)?, 1), Err(Errno::EPERM));
    set(0, libc::SCHED_OTHER | RESET, 0)?;
    ensure_eq!(set(0, libc::SCHED_RR | RESET, 1), Err(Errno::EPERM));
    ensure_eq!(set(0, libc::SCHED_OTHER, 0), Err(Errno::EPERM));
    Ok(())
}

fn nice_limit() -> Outcome {
    let limit = limit(Resource::RLIMIT_NICE, 25)?;
    // Without a limit of its own a thread may not go down at all.
    let least = if limit > 0 { 20 - limit } else { 10 };
    setuid(Uid::from_raw(1000))?;
    set_nice(0, 0, 10)?;
    set_nice(0, 0, least)?;
    ensure_eq!(set_nice(0, 0, least - 1), Err(Errno::EACCES));
    let lower = Attributes {
        size: Attributes::SIZE,
        nice: least - 1,
        ..Default::default()
    };
    ensure_eq!(set_attributes(0, &lower, 0), Err(Errno::EPERM));
    set(0, libc::SCHED_IDLE, 0)?;
    let back = set(0, libc::SCHED_OTHER, 0);
    ensure_eq!(back, if limit > 0 { Ok(0) } else { Err(Errno::EPERM) });
    set(0, libc::SCHED_IDLE, 0)?;
    setrlimit(Resource::RLIMIT_NICE, 0, limit as u64)?;
    ensure_eq!(set(0, libc::SCHED_OTHER, 0), Err(Errno::EPERM));
    Ok(())
}

fn foreign_thread() -> Outcome {
    let parent = nix::unistd::getppid().as_raw();
    let cpus = nix::sched::sched_getaffinity(Pid::from_raw(0))?;
    setuid(Uid::from_raw(1000))?;
    ensure_eq!(set_nice(0, parent, 5), Err(Errno::EPERM));
    ensure_eq!(set(parent, libc::SCHED_BATCH, 0), Err(Errno::EPERM));
    ensure_eq!(set_priority(parent, 0), Err(Errno::EPERM));
    ensure_eq!(
        sched_setaffinity(Pid::from_raw(parent), &cpus),
        Err(Errno::EPERM)
    );
    // Looking is free.
    ensure!(policy(parent).is_ok() && priority(parent).is_ok() && nice(0, parent).is_ok());
    Ok(())
}

fn niceness_of_many() -> Outcome {
    let (gate, release) = nix::unistd::pipe()?;
    let children = [2, 6].map(|own| {
        let gate = &gate;
        child(move || {
            let _ = set_nice(0, 0, own);
            let _ = nix::unistd::read(gate, &mut [0]);
            nice(0, 0).unwrap_or(99)
        })
    });
    let children: Vec<Pid> = children.into_iter().collect::<Result<_, _>>()?;
    for (child, own) in children.iter().zip([2, 6]) {
        while nice(0, child.as_raw())? != own {
            std::thread::yield_now();
        }
    }
    let group = libc::PRIO_PGRP as i32;
    // The lowest of all, our own included, which need not be 0.
    ensure_eq!(nice(group, 0), Ok(nice(0, 0)?.min(2)));
    set_nice(group, 0, 9)?;
    ensure_eq!(nice(group, 0), Ok(9));
    nix::unistd::write(&release, b"xx")?;
    for child in children {
        let status = nix::sys::wait::waitpid(child, None)?;
        ensure_eq!(status, nix::sys::wait::WaitStatus::Exited(child, 9));
    }
    Ok(())
}
