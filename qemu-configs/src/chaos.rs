//! `launch chaos`: a storm of threads on a kernel that is disturbed at its race points, once per
//! CPU count; one line of verdict each.
//!
//! The seed drives the kernel's disturbances and the storm; it is part of every line, and
//! `--seed` repeats it. All machines run beside one another unless told to take turns.

use crate::Result;
use crate::test::guest::{Guest, Variant};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

pub const KERNEL: &str = "build/Image-chaos";

#[derive(Clone, Debug)]
pub struct Options {
    pub cpus: Vec<u32>,
    pub seconds: u64,
    pub seed: u64,
    pub threads: usize,
    pub in_turn: bool,
}

impl Default for Options {
    fn default() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            cpus: vec![1, 2, 4, 8],
            seconds: 60,
            seed: since.map_or(1, |time| time.as_secs() % 1_000_000),
            threads: 32,
            in_turn: false,
        }
    }
}

pub fn command(arguments: lexopt::Parser) -> Result<ExitCode> {
    let options = parse(arguments)?;
    std::fs::create_dir_all("build/test").map_err(|error| format!("build/test: {error}"))?;
    let failed = match options.in_turn {
        true => options
            .cpus
            .iter()
            .filter(|&&cpus| !verdict(cpus, &options))
            .count(),
        false => std::thread::scope(|scope| {
            let run = |&cpus| {
                let options = &options;
                scope.spawn(move || verdict(cpus, options))
            };
            let runs: Vec<_> = options.cpus.iter().map(run).collect();
            let held = |run: std::thread::ScopedJoinHandle<'_, bool>| run.join().unwrap_or(false);
            runs.into_iter().map(held).filter(|held| !held).count()
        }),
    };
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn parse(mut arguments: lexopt::Parser) -> Result<Options> {
    use lexopt::prelude::*;
    let mut options = Options::default();
    let wrong = |error: lexopt::Error| error.to_string();
    while let Some(argument) = arguments.next().map_err(wrong)? {
        match argument {
            Long("in-turn") => options.in_turn = true,
            Long("secs") => options.seconds = number(&mut arguments)?,
            Long("seed") => options.seed = number(&mut arguments)?,
            Long("threads") => options.threads = number(&mut arguments)?,
            Long("cpus") => {
                let list = arguments.value().map_err(wrong)?;
                let list = list.to_string_lossy().into_owned();
                let each = list.split(',').map(str::parse);
                options.cpus = each
                    .collect::<std::result::Result<_, _>>()
                    .map_err(|_| format!("--cpus {list}: numbers with commas between"))?;
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok(options)
}

fn number<T: std::str::FromStr>(arguments: &mut lexopt::Parser) -> Result<T> {
    let value = arguments.value().map_err(|error| error.to_string())?;
    let text = value.to_string_lossy();
    text.parse()
        .map_err(|_| format!("{text} is not a number that fits here"))
}

fn verdict(cpus: u32, options: &Options) -> bool {
    let (seed, seconds) = (options.seed, options.seconds);
    let outcome = run(cpus, options);
    let (held, words) = match outcome {
        Ok(summary) => (true, format!("ok: {summary}")),
        Err(why) => (false, format!("FAILED: {why}")),
    };
    println!("chaos {cpus} CPUs, seed {seed}, {seconds} s ... {words}");
    held
}

/// One machine; the storm's own summary if nothing broke.
pub fn run(cpus: u32, options: &Options) -> Result<String> {
    let Options {
        seed,
        seconds,
        threads,
        ..
    } = options;
    let storm = format!("/bin/stress --storm {threads} --seed {seed} --secs {seconds}");
    let variant = Variant {
        kernel: KERNEL.into(),
        append: format!("weft.chaos={seed} weft.check=panic -- {storm}"),
        cpus: Some(cpus),
        ..Variant::default()
    };
    let mut guest = Guest::boot(&format!("chaos-{cpus}"), "virt-4", variant)?;
    guest.wait_for_end()?;
    summary(&guest.serial, *seed)
}

/// The closing line of a storm, if nothing broke.
pub fn summary(serial: &str, seed: u64) -> Result<String> {
    let mut lines = serial.lines();
    let summary = lines.rfind(|line| line.starts_with(&format!("storm: seed {seed}:")));
    let summary = summary.ok_or("the storm did not say how it ended")?;
    let summary = summary.trim().trim_start_matches("storm: ").to_string();
    match summary.ends_with(" 0 breaches") {
        true => Ok(summary),
        false => Err(summary),
    }
}
