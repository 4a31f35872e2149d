//! `/proc/weft`: what the scheduler knows, for `cpustat` and `kthreads`.
//!
//! Each line is one CPU or thread as `key=value` words; blanks in names become `_`, an unknown
//! value is `-`. Times are nanoseconds, counts run since boot.

use super::machine::possible_cpus;
use super::stat::policy_numbers;
use crate::error::Result;
use crate::fs::synthetic::{Made, Table, Text};
use crate::process::Task;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::Write;
use smp::{Phase, Policy, ThreadRef};

pub const ROOT: Table = Table(&[
    ("cpus", || Made::text(cpus)),
    ("threads", || Made::pieces(threads)),
    ("tracing", || Made::text(tracing)),
]);

fn cpus() -> Result<String> {
    let mut text = String::new();
    for cpu in possible_cpus().iter() {
        let s = smp::cpu_stats(cpu);
        let current = s
            .current
            .map_or("-".to_string(), |thread| thread.tid.to_string());
        let _ = write!(text, "cpu={cpu} online={} ", u8::from(s.online));
        let _ = write!(
            text,
            "user_ns={} system_ns={} irq_ns={} idle_ns={} ",
            s.user_ns, s.system_ns, s.irq_ns, s.idle_ns
        );
        let _ = write!(
            text,
            "switches={} voluntary={} involuntary={} ",
            s.switches(),
            s.voluntary_switches,
            s.involuntary_switches
        );
        let _ = write!(text, "steals={} migrations={} ", s.steals, s.migrations);
        let _ = write!(
            text,
            "ipis_sent={} ipis_received={} timer_irqs={} ",
            s.ipis_sent, s.ipis_received, s.timer_irqs
        );
        let _ = writeln!(text, "ready={} current={current}", s.nr_ready);
    }
    Ok(text)
}

/// 1 while somebody records through /dev/schedtrace.
fn tracing() -> Result<String> {
    Ok(format!("{}\n", u8::from(crate::trace::is_recording())))
}

/// From thread number `from` on.
fn threads(from: u64, text: &mut Text) -> Result<Option<u64>> {
    for each in smp::threads_from(from as u32) {
        text.write_str(&thread(&each))?;
        if text.is_full() {
            return Ok(Some(u64::from(each.tid()) + 1));
        }
    }
    Ok(None)
}

fn thread(thread: &ThreadRef) -> String {
    let stats = thread.stats();
    let task = thread.extension::<Task>();
    let pid = task.map_or(0, |task| task.process().pid());
    let own = (thread.policy(), thread.nice());
    let scheduled = thread.effective_params();
    let (_, _, priority) = policy_numbers(own.0, own.1);
    let (_, _, scheduled) = policy_numbers(scheduled.policy, scheduled.nice);
    let stack = thread.stack_used();
    format!(
        "tid={} pid={pid} name={} state={} cpu={} \
         class={} priority={priority} nice={} affinity={} \
         run_ns={} user_ns={} wait_ns={} \
         switches={} voluntary={} involuntary={} migrations={} \
         generation={} scheduled={scheduled} stack={}\n",
        thread.tid(),
        word(&thread.name()),
        state(thread.phase()),
        thread.cpu(),
        class(own.0),
        own.1,
        thread.affinity() & possible_cpus(),
        stats.run_ns,
        stats.user_ns,
        stats.wait_ns,
        stats.voluntary + stats.involuntary,
        stats.voluntary,
        stats.involuntary,
        stats.migrations,
        thread.id().generation,
        stack.map_or("-".to_string(), |used| used.to_string()),
    )
}

fn word(name: &str) -> String {
    if name.is_empty() {
        "-".to_string()
    } else {
        name.replace(|letter: char| letter.is_whitespace(), "_")
    }
}

fn state(phase: Phase) -> &'static str {
    match phase {
        Phase::New => "new",
        Phase::Running => "running",
        Phase::Ready => "ready",
        Phase::Parking | Phase::Blocked => "blocked",
        Phase::Dead => "dead",
    }
}

pub fn class(policy: Policy) -> &'static str {
    match policy {
        Policy::Normal => "normal",
        Policy::Batch => "batch",
        Policy::Idle => "idle",
        Policy::Fifo(_) => "fifo",
        Policy::RoundRobin(_) => "rr",
    }
}
