//! `/proc/schedstat` and `/proc/sched_debug`: the scheduler of the whole machine.

use super::machine::{online_stats, possible_cpus};
use super::stat::{policy_numbers, ticks};
use crate::error::Result;
use crate::fs::synthetic::Text;
use crate::time::monotonic_ns;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::{self, Write};
use smp::{CpuId, Phase, ThreadRef};

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
///
/// A place is a CPU's number above 32 bits of a thread's: 0 for the CPU itself.
pub fn sched_debug(from: u64, text: &mut Text) -> Result<Option<u64>> {
    if from == 0 {
        let now = milliseconds(monotonic_ns());
        writeln!(text, "Sched Debug Version: weft 1\nktime : {now}")?;
    }
    let (first, mut tid) = ((from >> 32) as usize, from as u32);
    for cpu in possible_cpus().iter().filter(|cpu| cpu.index() >= first) {
        if tid == 0 || cpu.index() > first {
            tid = 0;
            counts(text, cpu)?;
        }
        let here = |thread: &ThreadRef| {
            thread.cpu() == cpu && matches!(thread.phase(), Phase::Running | Phase::Ready)
        };
        for thread in smp::threads_from(tid).filter(here) {
            row(text, &thread)?;
            if text.is_full() {
                return Ok(Some(
                    (cpu.index() as u64) << 32 | (u64::from(thread.tid()) + 1),
                ));
            }
        }
    }
    Ok(None)
}

fn counts(text: &mut Text, cpu: CpuId) -> fmt::Result {
    let s = smp::cpu_stats(cpu);
    let state = if s.online { "" } else { ", offline" };
    let current = s
        .current
        .map_or("idle".to_string(), |id| id.tid.to_string());
    let running = s.nr_ready + u32::from(s.current.is_some());
    writeln!(text, "\ncpu#{cpu}{state}")?;
    for (name, value) in [
        ("nr_running", u64::from(running)),
        ("nr_switches", s.switches()),
        ("yld_count", s.yields),
        ("sched_count", s.schedules),
        ("sched_goidle", s.idles),
        ("ttwu_count", s.wakes),
        ("ttwu_local", s.local_wakes),
    ] {
        writeln!(text, "  .{name:<30}: {value}")?;
    }
    writeln!(text, "  .{:<30}: {current}", "curr->pid")?;
    text.write_str(HEAD)
}

const HEAD: &str = "\n S            task   tid  class prio     vruntime-ms     deadline-ms  switches         wait-ms          run-ms\n";

fn row(text: &mut Text, thread: &ThreadRef) -> fmt::Result {
    let stats = thread.stats();
    let (_, _, priority) = policy_numbers(thread.policy(), thread.nice());
    let state = match thread.phase() {
        Phase::Running => ">R",
        _ => " R",
    };
    writeln!(
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
    )
}

fn milliseconds(ns: u64) -> String {
    format!("{}.{:06}", ns / 1_000_000, ns % 1_000_000)
}
