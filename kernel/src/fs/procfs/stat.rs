//! `/proc/<pid>/stat` and `statm`: one line of numbers (proc_pid_stat(5)).

use super::subject::Subject;
use crate::error::Result;
use crate::process::Process;
use crate::time::{NANOSECONDS, TICKS_PER_SECOND};
use crate::tty;
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
    let mut line = format!("{} ({}) {} ", subject.id, subject.name(), subject.state());
    push_relations(&mut line, subject.process.as_deref());
    push_times(&mut line, subject);
    push_memory(&mut line, subject);
    push_scheduling(&mut line, subject);
    Ok(line)
}

/// ppid pgrp session tty_nr tpgid flags minflt cminflt majflt cmajflt
fn push_relations(line: &mut String, process: Option<&Process>) {
    let numbers = |process: &Process| {
        let terminal = tty::controlling_device(process).map_or(0, |device| device.encode());
        let foreground = tty::foreground_group(process).map_or(-1, i64::from);
        let (group, session) = (process.group_id(), process.session_id());
        (process.parent_pid(), group, session, terminal, foreground)
    };
    let (parent, group, session, terminal, foreground) = process.map_or((0, 0, 0, 0, -1), numbers);
    let _ = write!(
        line,
        "{parent} {group} {session} {terminal} {foreground} 0 0 0 0 0 "
    );
}

/// utime stime cutime cstime priority nice num_threads itrealvalue starttime
fn push_times(line: &mut String, subject: &Subject) {
    let process = subject.process.as_deref();
    let (user, system) = subject.times();
    let waited = process.map(Process::children_times).unwrap_or_default();
    let times = [user, system, waited.user_ns, waited.system_ns].map(ticks);
    for time in times {
        let _ = write!(line, "{time} ");
    }
    let nice = subject.params().nice;
    // With what is lent to it while it holds somebody up.
    let thread = subject.thread.as_ref();
    let scheduled = thread.map_or_else(Params::default, |thread| thread.effective_params());
    let (_, _, priority) = policy_numbers(scheduled.policy, scheduled.nice);
    let threads = process.map_or(1, Process::thread_count);
    let started = ticks(process.map_or(0, Process::started_ns));
    let _ = write!(line, "{priority} {nice} {threads} 0 {started} ");
}

/// vsize rss rsslim, then twelve that are secret or unused: startcode to cnswap
fn push_memory(line: &mut String, subject: &Subject) {
    let usage = subject.usage();
    let (size, resident) = (usage.virtual_pages * mm::PAGE_SIZE, usage.resident_pages);
    let _ = write!(line, "{size} {resident} {} ", u64::MAX);
    line.push_str("0 0 0 0 0 0 0 0 0 0 0 0 ");
}

/// exit_signal processor rt_priority policy delayacct guest cguest data.. env exit_code
fn push_scheduling(line: &mut String, subject: &Subject) {
    let exit_signal = if subject.one_thread { -1 } else { 17 };
    let thread = subject.thread.as_ref();
    let cpu = thread.map_or(0, |thread| thread.cpu().index());
    let own = subject.params();
    let (policy, realtime, _) = policy_numbers(own.policy, own.nice);
    let _ = writeln!(
        line,
        "{exit_signal} {cpu} {realtime} {policy} 0 0 0 0 0 0 0 0 0 0 0"
    );
}

pub fn statm(subject: &Subject) -> Result<String> {
    let usage = subject.usage();
    let (size, resident) = (usage.virtual_pages, usage.resident_pages);
    let data = usage.data_pages + usage.stack_pages;
    Ok(format!("{size} {resident} 0 0 0 {data} 0\n"))
}
