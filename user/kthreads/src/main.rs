//! `kthreads`: every thread of the machine, kernel threads included, in one table.

use common::{arguments, threads};
use std::process::ExitCode;

fn main() -> ExitCode {
    arguments::run("kthreads", || {
        if std::env::args().len() > 1 {
            return Err("usage: kthreads".into());
        }
        println!(
            "{:>6} {:>6} {:16} {:9} {:>3} {:7} {:>4} {:>4} {:8} {:>11} {:>9} {:>6}",
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
            "MOVES"
        );
        let mut all = threads::all();
        all.sort_by_key(|thread| (thread.process, thread.id));
        all.iter().for_each(print);
        Ok(ExitCode::SUCCESS)
    })
}

fn print(thread: &threads::Thread) {
    println!(
        "{:>6} {:>6} {:16.16} {:9} {:>3} {:7} {:>4} {:>4} {:8} {:>11} {:>9} {:>6}",
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
    );
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or("-".into(), |value| value.to_string())
}
