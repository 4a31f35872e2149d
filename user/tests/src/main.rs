//! Named tests of what programs may expect of the kernel. They pass on Linux as well, which
//! keeps them honest: a test that Linux fails is wrong.
//!
//! `tests [WORD...]` runs those whose name holds one of the words, each in a process of its
//! own (`harness.rs`), and closes with `N passed, N failed`.

#[macro_use]
mod harness;

mod affinity;
mod confined;
mod cpu_time;
mod cpus;
mod dumpable;
mod events;
mod files;
mod floating_point;
mod hotplug;
mod inheritance;
mod interval;
mod jobs;
mod limits;
mod memory;
mod orphans;
mod pipes;
mod process;
mod programs;
mod restartable;
mod scarcity;
mod scheduling;
mod signalled;
mod signals;
mod socket_calls;
mod sockets;
mod terminal;
mod threads;
mod time;
mod tools;
mod vdso;
mod wild;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == programs::MARK) {
        return programs::run(&words[1..]);
    }
    let families = [
        process::TESTS,
        dumpable::TESTS,
        confined::TESTS,
        signals::TESTS,
        threads::TESTS,
        inheritance::word::TESTS,
        inheritance::order::TESTS,
        inheritance::mutex::TESTS,
        restartable::TESTS,
        memory::mapping::TESTS,
        memory::sharing::TESTS,
        memory::threads::TESTS,
        floating_point::TESTS,
        pipes::TESTS,
        signalled::TESTS,
        events::TESTS,
        files::content::TESTS,
        files::names::TESTS,
        files::descriptors::TESTS,
        files::tables::TESTS,
        time::TESTS,
        cpu_time::TESTS,
        vdso::TESTS,
        affinity::TESTS,
        scheduling::policies::TESTS,
        scheduling::attributes::TESTS,
        scheduling::rights::TESTS,
        scheduling::order::TESTS,
        scheduling::share::TESTS,
        hotplug::TESTS,
        sockets::unix::TESTS,
        sockets::internet::TESTS,
        socket_calls::errors::TESTS,
        socket_calls::messages::TESTS,
        socket_calls::unix::TESTS,
        socket_calls::connections::TESTS,
        socket_calls::waiting::TESTS,
        socket_calls::options::TESTS,
        terminal::TESTS,
        jobs::TESTS,
        orphans::TESTS,
        limits::TESTS,
        scarcity::victims::TESTS,
        scarcity::greed::TESTS,
        scarcity::endings::TESTS,
        tools::TESTS,
        wild::TESTS,
    ];
    harness::run(&families.concat(), &words)
}
