//! `/proc/<pid>/stat` and `statm`: one line of numbers (proc_pid_stat(5)).

use super::subject::Subject;
use crate::error::Result;
use crate::time::{NANOSECONDS, TICKS_PER_SECOND};
use alloc::format;
use alloc::string::String;
use core::fmt::Write;
use smp::{Params, Policy};

/// CPU time in the unit of /proc.
pub fn ticks(ns: u64) -> u64 {
    ns / (NANOSECONDS / TICKS_PER_SECOND)
}

/// The scheduling class as `SCHED_*`, the real-time priority, and the priority that ps shows.
pub fn policy_numbers(policy: Policy, nice: i8) -> (u32, u32, i64) {
    match policy {
        Policy::Normal => (0, 0, 20 + i64::from(nice)),
        Policy::Batch => (3, 0, 20 + i64::from(nice)),
        Policy::Idle => (5, 0, 20 + i64::from(nice)),
        Policy::Fifo(priority) => (1, u32::from(priority), -1 - i64::from(priority)),
        Policy::RoundRobin(priority) => (2, u32::from(priority), -1 - i64::from(priority)),
    }
}

pub fn stat(subject: &Subject) -> Result<String> {
    let process = subject.process.as_deref();
    let terminal = process
        .and_then(crate::tty::controlling_device)
        .map_or(0, |device| device.encode());
    let foreground = process
        .and_then(crate::tty::foreground_group)
        .map_or(-1, i64::from);
    let (user, system) = subject.times();
    let children = process
        .map(|process| process.children_times())
        .unwrap_or_default();
    let threads = process.map_or(1, |process| process.thread_count());
    let started = process.map_or(0, |process| process.started_ns());
    let usage = subject.usage();
    let (own, scheduled, cpu) = match &subject.thread {
        Some(thread) => (
            thread.params(),
            thread.effective_params(),
            thread.cpu().index(),
        ),
        None => (Params::default(), Params::default(), 0),
    };
    let nice = own.nice;
    let (policy, realtime, _) = policy_numbers(own.policy, nice);
    // With what is lent to it while it holds somebody up.
    let (_, _, priority) = policy_numbers(scheduled.policy, scheduled.nice);
    let exit_signal = if subject.one_thread { -1 } else { 17 };

    let mut line = format!("{} ({}) {} ", subject.id, subject.name(), subject.state());
    let parent = process.map_or(0, |process| process.parent_pid());
    let (group, session) =
        process.map_or((0, 0), |process| (process.group_id(), process.session_id()));
    // ppid pgrp session tty_nr tpgid flags minflt cminflt majflt cmajflt
    let _ = write!(
        line,
        "{parent} {group} {session} {terminal} {foreground} 0 0 0 0 0 "
    );
    // utime stime cutime cstime priority nice num_threads itrealvalue starttime
    let (waited_user, waited_system) = (ticks(children.user_ns), ticks(children.system_ns));
    let _ = write!(
        line,
        "{} {} {waited_user} {waited_system} ",
        ticks(user),
        ticks(system)
    );
    let _ = write!(line, "{priority} {nice} {threads} 0 {} ", ticks(started));
    // vsize rss rsslim, then twelve that are secret or unused: startcode to cnswap
    let _ = write!(
        line,
        "{} {} {} ",
        usage.virtual_pages * mm::PAGE_SIZE,
        usage.resident_pages,
        u64::MAX
    );
    line.push_str("0 0 0 0 0 0 0 0 0 0 0 0 ");
    // exit_signal processor rt_priority policy delayacct guest cguest data.. env exit_code
    let _ = writeln!(
        line,
        "{exit_signal} {cpu} {realtime} {policy} 0 0 0 0 0 0 0 0 0 0 0"
    );
    Ok(line)
}

pub fn statm(subject: &Subject) -> Result<String> {
    let usage = subject.usage();
    let (size, resident) = (usage.virtual_pages, usage.resident_pages);
    let data = usage.data_pages + usage.stack_pages;
    Ok(format!("{size} {resident} 0 0 0 {data} 0\n"))
}
