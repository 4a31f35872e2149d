//! `/proc/<pid>/status`, `sched`, `schedstat` and `limits`: the readable ones.

use super::stat::policy_numbers;
use super::subject::Subject;
use crate::error::{Errno, Result};
use crate::process::rlimits::{INFINITY, Rlimits};
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::Write;
use smp::ThreadStats;

fn stats(subject: &Subject) -> ThreadStats {
    subject
        .thread
        .as_ref()
        .map(|thread| thread.stats())
        .unwrap_or_default()
}

pub fn status(subject: &Subject) -> Result<String> {
    let mut text = String::new();
    identity(&mut text, subject);
    memory(&mut text, subject);
    signals(&mut text, subject);
    scheduling(&mut text, subject);
    Ok(text)
}

fn identity(text: &mut String, subject: &Subject) {
    let state = match subject.state() {
        'R' => "R (running)",
        'S' => "S (sleeping)",
        'T' => "T (stopped)",
        'Z' => "Z (zombie)",
        _ => "X (dead)",
    };
    let process = subject.process.as_deref();
    let group = process.map_or(subject.id, |process| process.pid());
    let parent = process.map_or(0, |process| process.parent_pid());
    let umask = subject
        .task
        .as_ref()
        .and_then(|task| task.fs_of())
        .map_or(0o22, |fs| fs.umask());
    let _ = writeln!(
        text,
        "Name:\t{}\nUmask:\t{umask:04o}\nState:\t{state}",
        subject.name()
    );
    let _ = writeln!(
        text,
        "Tgid:\t{group}\nNgid:\t0\nPid:\t{}\nPPid:\t{parent}\nTracerPid:\t0",
        subject.id
    );
    if let Some(task) = &subject.task {
        let c = task.credentials();
        let _ = writeln!(text, "Uid:\t{}\t{}\t{}\t{}", c.uid, c.euid, c.suid, c.fsuid);
        let _ = writeln!(text, "Gid:\t{}\t{}\t{}\t{}", c.gid, c.egid, c.sgid, c.fsgid);
        let slots = task.files_of().map_or(0, |files| files.used());
        let _ = writeln!(text, "FDSize:\t{}", slots.next_multiple_of(64));
        let groups: String = c.groups.iter().map(|group| format!("{group} ")).collect();
        let _ = writeln!(text, "Groups:\t{groups}");
    }
}

fn memory(text: &mut String, subject: &Subject) {
    if let Some(memory) = subject.memory() {
        let usage = memory.usage();
        let mut line = |name: &str, pages: usize| {
            let _ = writeln!(text, "{name}:\t{:8} kB", pages * (mm::PAGE_SIZE / 1024));
        };
        line("VmSize", usage.virtual_pages);
        line("VmLck", usage.locked_pages);
        line("VmHWM", usage.peak_resident_pages);
        line("VmRSS", usage.resident_pages);
        line("VmData", usage.data_pages);
        line("VmStk", usage.stack_pages);
        line("VmPTE", usage.table_pages);
    }
    let threads = subject
        .process
        .as_ref()
        .map_or(1, |process| process.thread_count());
    let _ = writeln!(text, "Threads:\t{threads}");
}

fn signals(text: &mut String, subject: &Subject) {
    let Some(task) = &subject.task else { return };
    let _ = writeln!(text, "SigBlk:\t{:016x}", task.signal_mask().0);
    let c = task.credentials();
    let _ = writeln!(
        text,
        "CapInh:\t{:016x}\nCapPrm:\t{:016x}",
        c.inheritable.bits(),
        c.permitted.bits()
    );
    let _ = writeln!(text, "CapEff:\t{:016x}", c.effective.bits());
}

fn scheduling(text: &mut String, subject: &Subject) {
    if let Some(thread) = &subject.thread {
        // Affinity as far as there are CPUs: a set of all does not name thousands.
        let allowed = thread.affinity() & super::machine::possible_cpus();
        let _ = writeln!(
            text,
            "Cpus_allowed:\t{allowed:x}\nCpus_allowed_list:\t{allowed}"
        );
    }
    let stats = stats(subject);
    let _ = writeln!(text, "voluntary_ctxt_switches:\t{}", stats.voluntary);
    let _ = writeln!(text, "nonvoluntary_ctxt_switches:\t{}", stats.involuntary);
}

/// Time on a CPU, time waiting for one, and how often it got one.
pub fn schedstat(subject: &Subject) -> Result<String> {
    let stats = stats(subject);
    Ok(format!(
        "{} {} {}\n",
        stats.run_ns, stats.wait_ns, stats.runs
    ))
}

pub fn sched(subject: &Subject) -> Result<String> {
    let thread = subject.thread.as_ref().ok_or(Errno::ESRCH)?;
    let stats = thread.stats();
    let (policy, _, priority) = policy_numbers(thread.policy(), thread.nice());
    let threads = subject
        .process
        .as_ref()
        .map_or(1, |process| process.thread_count());
    let mut text = format!(
        "{} ({}, #threads: {threads})\n{}\n",
        subject.name(),
        subject.id,
        "-".repeat(67)
    );
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<45}:{value:>21}");
    };
    let milliseconds = |ns: u64| format!("{}.{:06}", ns / 1_000_000, ns % 1_000_000);
    line("se.vruntime", milliseconds(stats.virtual_start_ns));
    line("se.deadline", milliseconds(stats.virtual_deadline_ns));
    line("se.sum_exec_runtime", milliseconds(stats.run_ns));
    line("wait_sum", milliseconds(stats.wait_ns));
    line("wait_count", stats.runs.to_string());
    line("se.nr_migrations", stats.migrations.to_string());
    line(
        "nr_switches",
        (stats.voluntary + stats.involuntary).to_string(),
    );
    line("nr_voluntary_switches", stats.voluntary.to_string());
    line("nr_involuntary_switches", stats.involuntary.to_string());
    line("policy", policy.to_string());
    line("prio", (100 + priority).to_string());
    line("current_cpu", thread.cpu().to_string());
    Ok(text)
}

/// Names and units as Linux prints them, in the order of their numbers.
const LIMITS: [(&str, &str); 16] = [
    ("Max cpu time", "seconds"),
    ("Max file size", "bytes"),
    ("Max data size", "bytes"),
    ("Max stack size", "bytes"),
    ("Max core file size", "bytes"),
    ("Max resident set", "bytes"),
    ("Max processes", "processes"),
    ("Max open files", "files"),
    ("Max locked memory", "bytes"),
    ("Max address space", "bytes"),
    ("Max file locks", "locks"),
    ("Max pending signals", "signals"),
    ("Max msgqueue size", "bytes"),
    ("Max nice priority", ""),
    ("Max realtime priority", ""),
    ("Max realtime timeout", "us"),
];

pub fn limits(subject: &Subject) -> Result<String> {
    // Kernel threads have the limits that the first process starts with.
    let limits = match &subject.process {
        Some(process) => process.limits().lock().clone(),
        None => Rlimits::initial(),
    };
    let mut text = format!(
        "{:<26}{:<21}{:<21}{:<10}\n",
        "Limit", "Soft Limit", "Hard Limit", "Units"
    );
    let value = |limit: u64| {
        if limit == INFINITY {
            "unlimited".to_string()
        } else {
            limit.to_string()
        }
    };
    for (number, (name, unit)) in LIMITS.iter().enumerate() {
        let limit = limits.get(number)?;
        let _ = writeln!(
            text,
            "{name:<26}{:<21}{:<21}{unit:<10}",
            value(limit.soft),
            value(limit.hard)
        );
    }
    Ok(text)
}
