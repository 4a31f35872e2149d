//! `stress`: a number of workers of each kind, for some seconds; `--report` says what each did.
//!
//! Every worker is a thread. The CPU workers ask often which CPU they are on, so that a report
//! shows where they have really been.

mod calls;
mod drill;
mod random;
mod report;
mod storm;
mod worker;

use common::arguments::{self, value};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use worker::Kind;

const USAGE: &str = "\
usage: stress [--cpu N] [--yield N] [--pipe N] [--fork N] [--mem N] [--secs S] [--report]
  --cpu    compute            --yield  give the CPU away at once, again and again
  --pipe   bounce a byte between two threads      --fork   start and await a child
  --mem    map 8 MiB, touch every page, unmap     --report what each worker did, and where
       stress --storm N [--seed X] [--secs S] [--switches K]
  --storm  N threads that disturb one another at random, checked; status 1 if anything broke
       stress --calls N --secs S [--seed X]      (as root, on a machine that may break)
  --calls  N programs at a time that make system calls at random
       stress --drill pair|mixed|burst [--secs S] [--seed X]
  --drill  what the simulator runs too (make sim-check), and what the kernel counted meanwhile";

#[derive(Default)]
struct Options {
    workers: Vec<Kind>,
    seconds: Option<f64>,
    report: bool,
    storm: Option<usize>,
    calls: Option<usize>,
    drill: Option<String>,
    seed: u64,
    switches: Option<u64>,
}

fn main() -> ExitCode {
    arguments::run_tool("stress", || {
        let options = parse()?;
        if let Some(programs) = options.calls {
            return Ok(calls::run(&calls::Plan {
                programs: programs.max(1),
                seed: options.seed,
                seconds: options.seconds.ok_or(USAGE)?,
            }));
        }
        if let Some(kind) = options.drill {
            return drill::run(&drill::Plan {
                kind,
                seed: options.seed,
                seconds: options.seconds.unwrap_or(1.0),
            });
        }
        if let Some(threads) = options.storm {
            return Ok(storm::run(&storm::Plan {
                threads: threads.max(2),
                seed: options.seed,
                seconds: options.seconds.unwrap_or(f64::INFINITY),
                switches: options.switches.unwrap_or(u64::MAX),
            }));
        }
        let started = Instant::now();
        let outcomes = run(&options);
        if options.report {
            report::print(&outcomes, started.elapsed());
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn parse() -> Result<Options, String> {
    use lexopt::prelude::*;
    let mut options = Options::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Long("secs") => options.seconds = Some(value(&mut parser)?),
            Long("report") => options.report = true,
            Long("storm") => options.storm = Some(value(&mut parser)?),
            Long("calls") => options.calls = Some(value(&mut parser)?),
            Long("drill") => options.drill = Some(value(&mut parser)?),
            Long("seed") => options.seed = value(&mut parser)?,
            Long("switches") => options.switches = Some(value(&mut parser)?),
            Short('h') | Long("help") => return Err(USAGE.into()),
            Long(name) if Kind::by_name(name).is_some() => {
                let kind = Kind::by_name(name).ok_or(USAGE)?;
                let count: usize = value(&mut parser)?;
                options.workers.extend(std::iter::repeat_n(kind, count));
            }
            other => return Err(format!("{}\n{USAGE}", other.unexpected())),
        }
    }
    let other = options.storm.is_some() || options.calls.is_some() || options.drill.is_some();
    if options.workers.is_empty() && !other {
        return Err(USAGE.into());
    }
    Ok(options)
}

/// Without `--secs` the workers run until the program is killed.
fn run(options: &Options) -> Vec<worker::Outcome> {
    let stop = Arc::new(AtomicBool::new(false));
    let start = |(number, kind): (usize, &Kind)| {
        let (kind, stop) = (*kind, Arc::clone(&stop));
        let thread = std::thread::Builder::new().name(format!("{}-{number}", kind.name()));
        thread.spawn(move || worker::run(kind, &stop))
    };
    let workers: Vec<_> = options.workers.iter().enumerate().map(start).collect();
    match options.seconds {
        Some(seconds) => std::thread::sleep(Duration::from_secs_f64(seconds.max(0.0))),
        None => loop {
            std::thread::park();
        },
    }
    stop.store(true, Ordering::Relaxed);
    let finish = |worker: std::io::Result<std::thread::JoinHandle<_>>| worker.ok()?.join().ok();
    workers.into_iter().filter_map(finish).collect()
}
