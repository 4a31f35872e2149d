//! What every CPU and thread is doing, for people at the console.

use crate::arch::aarch64::backtrace;
use crate::console::Raw;
use crate::symbols::Symbol;
use core::fmt::{self, Write};

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

/// Every thread: phase, CPU, times, name.
pub fn threads() {
    print(format_args!(
        "\n  tid  cpu  phase      run ms  wait ms  switches  moved  name\n"
    ));
    for thread in smp::threads() {
        let stats = thread.stats();
        print(format_args!(
            "{:5} {:4}  {:9?} {:7} {:8} {:9} {:6}  {}\n",
            thread.tid(),
            thread.cpu().index(),
            thread.phase(),
            stats.run_ns / 1_000_000,
            stats.wait_ns / 1_000_000,
            stats.voluntary + stats.involuntary,
            stats.migrations,
            thread.name(),
        ));
    }
}

/// Where this CPU is: its backtrace, through the interrupt that asked.
pub fn this_cpu() {
    print(format_args!("\nCPU {}:\n", percpu::cpu_id().index()));
    backtrace::here(|address| print(format_args!("  {}\n", Symbol(address))));
}
