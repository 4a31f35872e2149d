//! `kthreads [NAME|TID...]`: every thread of the machine, kernel threads included, in one table, or
//! those of that name or number.

use common::{arguments, threads};
use std::process::ExitCode;

fn main() -> ExitCode {
    arguments::run_tool("kthreads", || {
        let wanted: Vec<String> = std::env::args().skip(1).collect();
        if wanted.iter().any(|word| word.starts_with('-')) {
            return Err("usage: kthreads [NAME|TID...]".into());
        }
        println!(
            "{:>6} {:>6} {:16} {:9} {:>3} {:7} {:>4} {:>4} {:8} {:>11} {:>9} {:>6} {:>6}",
            "TID",
            "PID",
            "NAME",
            "STATE",
            "CPU",
            "CLASS",
            "PRIO",
            "NICE",
            "CPUS",
            "RUN(s)",
            "SWITCHES",
            "MOVES",
            "STACK"
        );
        let mut all = threads::all();
        all.sort_by_key(|thread| (thread.process, thread.id));
        let is_wanted = |thread: &&threads::Thread| {
            let named = |word: &String| *word == thread.name || *word == thread.id.to_string();
            wanted.is_empty() || wanted.iter().any(named)
        };
        let shown = all.iter().filter(is_wanted).map(print).count();
        Ok(if shown > 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    })
}

fn print(thread: &threads::Thread) {
    println!(
        "{:>6} {:>6} {:16.16} {:9} {:>3} {:7} {:>4} {:>4} {:8} {:>11} {:>9} {:>6} {:>6}",
        thread.id,
        thread.process,
        thread.name,
        thread.state,
        or_dash(thread.cpu),
        thread.class,
        or_dash(thread.priority),
        or_dash(thread.nice),
        thread.affinity,
        thread
            .run_ns
            .map_or("-".into(), |time| format!("{:.6}", time as f64 / 1e9)),
        or_dash(thread.switches),
        or_dash(thread.migrations),
        or_dash(thread.stack),
    );
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or("-".into(), |value| value.to_string())
}
