//! `/proc/schedstat` and `/proc/sched_debug`: the scheduler of the whole machine.

use super::machine::{online_stats, possible_cpus};
use super::stat::{policy_numbers, ticks};
use crate::error::Result;
use crate::time::monotonic_ns;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::Write;
use smp::{Phase, ThreadRef};

/// The layout of version 15 (Documentation/scheduler/sched-stats.rst): per CPU yields, 0,
/// schedules, of those to idle, wakes, of those local, ns run, ns waited, time slices. There are
/// no `domain` lines: no balancer walks domains here. What only this kernel counts has lines of
/// its own, which begin with `weft`.
pub fn schedstat() -> Result<String> {
    let mut text = format!("version 15\ntimestamp {}\n", ticks(monotonic_ns()));
    for (cpu, s) in online_stats() {
        let run_ns = s.user_ns + s.system_ns + s.irq_ns;
        let _ = writeln!(
            text,
            "cpu{cpu} {} 0 {} {} {} {} {run_ns} {} {}",
            s.yields, s.schedules, s.idles, s.wakes, s.local_wakes, s.wait_ns, s.runs
        );
    }
    for (cpu, s) in online_stats() {
        let _ = writeln!(
            text,
            "weft cpu{cpu} steals={} migrations={} ipis_sent={} ipis_received={} timer_irqs={}",
            s.steals, s.migrations, s.ipis_sent, s.ipis_received, s.timer_irqs
        );
    }
    text.push_str("weft checks");
    for (breach, count) in smp::checks::breaches() {
        let _ = write!(text, " {}={count}", breach.name());
    }
    text.push('\n');
    Ok(text)
}

/// Every CPU with what it runs and what waits for it, in the spirit of Linux's file of this name.
/// Threads that sleep are left out; `/proc/weft/threads` has all.
pub fn sched_debug() -> Result<String> {
    let mut text = format!(
        "Sched Debug Version: weft 1\nktime : {}\n",
        milliseconds(monotonic_ns())
    );
    let runnable = smp::threads().into_iter();
    let runnable: alloc::vec::Vec<ThreadRef> = runnable
        .filter(|thread| matches!(thread.phase(), Phase::Running | Phase::Ready))
        .collect();
    for cpu in possible_cpus().iter() {
        let s = smp::cpu_stats(cpu);
        let state = if s.online { "" } else { ", offline" };
        let current = s
            .current
            .map_or("idle".to_string(), |id| id.tid.to_string());
        let running = s.nr_ready + u32::from(s.current.is_some());
        let _ = writeln!(text, "\ncpu#{cpu}{state}");
        for (name, value) in [
            ("nr_running", u64::from(running)),
            ("nr_switches", s.switches()),
            ("yld_count", s.yields),
            ("sched_count", s.schedules),
            ("sched_goidle", s.idles),
            ("ttwu_count", s.wakes),
            ("ttwu_local", s.local_wakes),
        ] {
            let _ = writeln!(text, "  .{name:<30}: {value}");
        }
        let _ = writeln!(text, "  .{:<30}: {current}", "curr->pid");
        text.push_str(HEAD);
        for thread in runnable.iter().filter(|thread| thread.cpu() == cpu) {
            row(&mut text, thread);
        }
    }
    Ok(text)
}

const HEAD: &str = "\n S            task   tid  class prio     vruntime-ms     deadline-ms  switches         wait-ms          run-ms\n";

fn row(text: &mut String, thread: &ThreadRef) {
    let stats = thread.stats();
    let (_, _, priority) = policy_numbers(thread.policy(), thread.nice());
    let state = match thread.phase() {
        Phase::Running => ">R",
        _ => " R",
    };
    let _ = writeln!(
        text,
        "{state} {:>15} {:>5} {:>6} {:>4} {:>15} {:>15} {:>9} {:>15} {:>15}",
        thread.name(),
        thread.tid(),
        super::weft::class(thread.policy()),
        100 + priority,
        milliseconds(stats.virtual_start_ns),
        milliseconds(stats.virtual_deadline_ns),
        stats.voluntary + stats.involuntary,
        milliseconds(stats.wait_ns),
        milliseconds(stats.run_ns),
    );
}

fn milliseconds(ns: u64) -> String {
    format!("{}.{:06}", ns / 1_000_000, ns % 1_000_000)
}
