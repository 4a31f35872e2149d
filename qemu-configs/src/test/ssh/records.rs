//! What the scheduler tells about itself: threads, statistics, traces.

use super::{Outcome, System, Test, equal, holds};
use crate::test::trace;

pub const TESTS: &[Test] = &[
    ("shows every thread", every_thread),
    ("tells what the scheduler did", scheduler_files),
    ("records and exports a trace", schedtrace),
];

fn every_thread(system: &mut System) -> Outcome {
    let table = system.text("kthreads")?;
    for name in ["init", "sshd", "kthreads"] {
        holds(table.contains(name), format!("{name} is missing:\n{table}"))?;
    }
    Ok(())
}

fn scheduler_files(system: &mut System) -> Outcome {
    let text = system.text("cat /proc/schedstat")?;
    let cpu_line = |line: &&str| line.starts_with("cpu") && line.split(' ').count() == 10;
    holds(text.starts_with("version 15\n"), text.clone())?;
    equal(text.lines().filter(cpu_line).count(), system.cpus()?)?;
    let checks = "weft checks token=0 two_cpus=0 affinity=0 conservation=0";
    holds(text.contains(checks), text)?;
    let debug = system.text("cat /proc/sched_debug")?;
    let running = debug
        .lines()
        .any(|line| line.starts_with(">R") && line.contains(" cat "));
    holds(running, debug)?;
    let own = system.text("cat /proc/self/schedstat /proc/self/task/*/schedstat")?;
    let numbers = |line: &str| {
        line.split(' ')
            .filter_map(|word| word.parse::<u64>().ok())
            .count()
    };
    holds(own.lines().all(|line| numbers(line) == 3), own)
}

/// What is exported names the CPUs, what ran, and who woke it.
fn schedtrace(system: &mut System) -> Outcome {
    // Few enough events that a recorder that hardly gets to run loses none.
    let record = "cd /tmp; schedtrace record --syscalls sh -c 'sleep 0.2; ls / | cat'";
    let text = system.text(&format!("{record} && schedtrace export && cat weft.json"))?;
    for sign in [
        "\"name\":\"CPU 0\"",
        "\"name\":\"cat [",
        "\"ph\":\"s\"",
        "\"ph\":\"f\"",
        "\"name\":\"timer\"",
        "\"name\":\"call 64\"",
    ] {
        holds(
            text.contains(sign),
            format!("{sign} is missing in {text:.1000}"),
        )?;
    }
    let whole = text.find("{\"displayTimeUnit").ok_or("no trace")?;
    trace::check(&text[whole..])?;
    let script = "schedtrace record -o /tmp/t & until grep -q 1 /proc/weft/tracing; do :; done; \
                  schedtrace stop; wait; cat /proc/weft/tracing";
    let text = system.text(script)?;
    holds(text.ends_with("0\n"), text)
}
