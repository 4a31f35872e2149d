//! `launch test`: every test of the project, one line each, and a closing line that counts.
//!
//! A stage is a named part that can be run alone with `--only WORD`. Nothing here waits for a
//! fixed time: it waits for what a program says, and gives up when the program has said nothing
//! for the hang timeout.

mod boots;
mod codegen;
mod console;
mod faults;
pub mod guest;
mod host;
mod lines;
mod output;
pub mod report;
mod setup;
mod ssh;
mod storms;
mod terminal;
mod trace;

use crate::Result;
use report::Report;
use std::process::ExitCode;

struct Stage {
    name: &'static str,
    what: &'static str,
    run: fn(&mut Report),
}

const STAGES: &[Stage] = &[
    Stage {
        name: "setup",
        what: "the set-up script, and both of its ways to Rust",
        run: setup::all,
    },
    Stage {
        name: "host",
        what: "unit tests of every crate, on this computer",
        run: host::unit_tests,
    },
    Stage {
        name: "clippy",
        what: "no warning of clippy's in any crate",
        run: host::lints,
    },
    Stage {
        name: "linux",
        what: "the user tests on Linux, the oracle",
        run: host::user_tests,
    },
    Stage {
        name: "selftest",
        what: "the kernel's own tests on 1 to 8 CPUs, GICv2 and GICv3",
        run: boots::self_tests,
    },
    Stage {
        name: "user",
        what: "the user tests on Weft",
        run: boots::user_tests,
    },
    Stage {
        name: "storms",
        what: "threads that disturb one another at random, checked",
        run: storms::all,
    },
    Stage {
        name: "calls",
        what: "random system calls by programs that may die of them",
        run: storms::calls,
    },
    Stage {
        name: "chaos",
        what: "a short storm on a scheduler that is disturbed at its race points",
        run: storms::chaos,
    },
    Stage {
        name: "faults",
        what: "broken input at boot: a clear word each",
        run: faults::all,
    },
    Stage {
        name: "ssh",
        what: "the system from outside, with the OpenSSH client",
        run: ssh::all,
    },
    Stage {
        name: "console",
        what: "the kernel's own keys on the serial console",
        run: console::all,
    },
    Stage {
        name: "budget",
        what: "no row of user/bench costs more instructions than its budget",
        run: crate::budget::stage,
    },
    Stage {
        name: "codegen",
        what: "what the compiler made of the kernel",
        run: codegen::all,
    },
    Stage {
        name: "loom",
        what: "models of the protocols, and mutants that must fail",
        run: host::models,
    },
    Stage {
        name: "shuttle",
        what: "random schedules of 4 to 8 CPUs, and mutants that must be found",
        run: host::schedules,
    },
    Stage {
        name: "miri",
        what: "undefined behaviour in percpu, smp and mm",
        run: host::undefined_behaviour,
    },
];

pub fn command(mut arguments: lexopt::Parser) -> Result<ExitCode> {
    use lexopt::prelude::*;
    let mut only = String::new();
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        match argument {
            Long("only") => {
                only = arguments
                    .value()
                    .map_err(|error| error.to_string())?
                    .to_string_lossy()
                    .into_owned();
            }
            Long("list") => {
                STAGES
                    .iter()
                    .for_each(|stage| println!("{:9} {}", stage.name, stage.what));
                return Ok(ExitCode::SUCCESS);
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    std::fs::create_dir_all("build/test").map_err(|error| format!("build/test: {error}"))?;
    let mut report = Report::default();
    let chosen = |stage: &&Stage| only.is_empty() || only.split(',').any(|word| word == stage.name);
    for stage in STAGES.iter().filter(chosen) {
        println!("== {}: {}", stage.name, stage.what);
        report.begin(stage.name);
        (stage.run)(&mut report);
    }
    Ok(report.close())
}
