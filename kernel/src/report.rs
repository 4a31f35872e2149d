//! What every CPU and thread is doing, for people at the console.

use crate::arch::aarch64::{backtrace, stack};
use crate::console::Raw;
use crate::symbols::Symbol;
use alloc::format;
use core::fmt::{self, Write};
use core::sync::atomic::Ordering;
use smp::{Params, Phase, Policy, ThreadRef};

/// Prints to the console, around the kernel log.
pub fn print(text: fmt::Arguments<'_>) {
    // The console cannot fail.
    let _ = Raw.write_fmt(text);
}

/// Every CPU's counters.
pub fn cpus() {
    print(format_args!(
        "\nCPU  switches  forced  steals  moved in  IPIs in  ready  user ms  sys ms  irq ms  idle ms  runs\n"
    ));
    for cpu in smp::online_cpus().iter() {
        let stats = smp::cpu_stats(cpu);
        let ms = |ns: u64| ns / 1_000_000;
        print(format_args!(
            "{:3} {:9} {:7} {:7} {:9} {:8} {:6} {:8} {:7} {:7} {:8}  {}\n",
            cpu.index(),
            stats.switches(),
            stats.involuntary_switches,
            stats.steals,
            stats.migrations,
            stats.ipis_received,
            stats.nr_ready,
            ms(stats.user_ns),
            ms(stats.system_ns),
            ms(stats.irq_ns),
            ms(stats.idle_ns),
            Running(stats.current),
        ));
    }
}

/// A thread's number, or idle.
struct Running(Option<smp::ThreadId>);

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => write!(f, "thread {}", id.tid),
            None => f.write_str("idle"),
        }
    }
}

/// Every thread: how it is scheduled, phase, CPU, times, stack, name.
pub fn threads() {
    print(format_args!(
        "\n  tid.gen  cpu  phase    class           run ms  wait ms  switches  moved  stack  name\n"
    ));
    smp::threads().for_each(|thread| line(&thread));
}

fn line(thread: &ThreadRef) {
    let stats = thread.stats();
    let (id, params) = (thread.id(), thread.effective_params());
    let inherited = if params == thread.params() { ' ' } else { '+' };
    print(format_args!(
        "{:5}.{:<4} {:3}  {:<8} {:<14}{inherited} {:7} {:8} {:9} {:6} {:6}  {}\n",
        id.tid,
        id.generation,
        thread.cpu().index(),
        format!("{:?}", thread.phase()),
        Class(params),
        stats.run_ns / 1_000_000,
        stats.wait_ns / 1_000_000,
        stats.voluntary + stats.involuntary,
        stats.migrations,
        thread.stack_used().unwrap_or(0),
        thread.name(),
    ));
}

/// The threads of that name, or the one of that number, and where each waits.
pub fn threads_named(wanted: &str) {
    let is_wanted =
        |thread: &ThreadRef| thread.name() == wanted || wanted.parse() == Ok(thread.tid());
    let mut found = smp::threads().filter(is_wanted).peekable();
    if found.peek().is_none() {
        return print(format_args!("\nno thread {wanted}\n"));
    }
    print(format_args!("\n"));
    for thread in found {
        line(&thread);
        print(format_args!("  affinity {}\n", thread.affinity()));
        if matches!(thread.phase(), Phase::Blocked | Phase::Ready) {
            stack::of_switched_out(thread.context().load(Ordering::Relaxed), |address| {
                print(format_args!("  {}\n", Symbol(address)))
            });
        }
    }
}

/// Class and priority or nice value; `+` behind it says that it is inherited.
struct Class(Params);

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0.policy {
            Policy::Normal => format!("nice {}", self.0.nice),
            Policy::Batch => format!("batch {}", self.0.nice),
            Policy::Idle => "idle".into(),
            Policy::Fifo(priority) => format!("fifo {priority}"),
            Policy::RoundRobin(priority) => format!("rr {priority}"),
        };
        f.pad(&text)
    }
}

/// Where this CPU is: its backtrace, through the interrupt that asked.
pub fn this_cpu() {
    print(format_args!("\nCPU {}:\n", percpu::cpu_id().index()));
    backtrace::here(|address| print(format_args!("  {}\n", Symbol(address))));
}
