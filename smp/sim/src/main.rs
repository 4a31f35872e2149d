//! `make sim`: the scheduler beside others on virtual machines, as tables and pictures.
//!
//! usage: sim [--seeds N] [--cpus N,N,...] [--out FOLDER] [--goals] [--check FILE]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use smp_sim::experiment::{Case, Load, run_all};
use smp_sim::policy::Kind;
use smp_sim::report::Results;
use smp_sim::{matrix, plot};

struct Options {
    seeds: u64,
    sizes: Vec<usize>,
    out: PathBuf,
    /// Only what the goals are about.
    goals: bool,
    /// What a guest printed, to be compared instead.
    check: Option<PathBuf>,
}

fn main() -> ExitCode {
    match options().and_then(|options| simulate(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        seeds: 10,
        sizes: vec![4, 16, 64, 256, 1024],
        out: "build/simulation".into(),
        goals: false,
        check: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--goals" {
            options.goals = true;
            continue;
        }
        let value = arguments
            .next()
            .ok_or(format!("{name}: a value is missing"))?;
        match name.as_str() {
            "--seeds" => options.seeds = value.parse()?,
            "--cpus" => {
                let sizes: Result<_, _> = value.split(',').map(str::parse).collect();
                options.sizes = sizes?;
            }
            "--check" => options.check = Some(value.into()),
            "--out" => options.out = value.into(),
            _ => {
                return Err(
                    "usage: sim [--seeds N] [--cpus N,N,...] [--out FOLDER] [--goals] [--check FILE]"
                        .into(),
                );
            }
        }
    }
    let in_range = |cpus: &usize| (2..=percpu_limit()).contains(cpus);
    if options.seeds == 0 || options.sizes.is_empty() || !options.sizes.iter().all(in_range) {
        return Err("at least one seed, and machines of 2 to 1024 CPUs".into());
    }
    Ok(options)
}

fn percpu_limit() -> usize {
    smp::CpuSet::ALL.count()
}

/// Compares with the guest.
fn check(file: &Path) -> Result<(), Box<dyn Error>> {
    let (table, misses) = smp_sim::check::table(&std::fs::read_to_string(file)?)?;
    print!("{table}");
    match misses {
        0 => Ok(()),
        count => Err(format!("{count} figures are more than a tenth apart").into()),
    }
}

fn simulate(options: &Options) -> Result<(), Box<dyn Error>> {
    if let Some(file) = &options.check {
        return check(file);
    }
    std::fs::create_dir_all(&options.out)?;
    let started = Instant::now();
    let cases = match options.goals {
        true => matrix::goals(),
        false => matrix::cases(&options.sizes),
    };
    let progress = |job: usize, jobs: usize| {
        if job.is_multiple_of((jobs / 20).max(1)) {
            let seconds = started.elapsed().as_secs();
            eprintln!("== {job} of {jobs} runs after {seconds} s");
        }
    };
    let samples = run_all(&cases, options.seeds, progress);
    let results = Results {
        cases,
        samples,
        sizes: options.sizes.clone(),
        seeds: options.seeds,
    };
    print!("{}", results.goal_tables());
    if !options.goals {
        write(&results, options)?;
        let (runs, seconds) = (
            results.samples.len() as u64 * results.seeds,
            started.elapsed().as_secs(),
        );
        let folder = options.out.display();
        println!("{runs} runs in {seconds} s; tables and pictures in {folder}");
    }
    Ok(())
}

/// The tables and pictures.
fn write(results: &Results, options: &Options) -> Result<(), Box<dyn Error>> {
    let text = format!(
        "# Simulation: the figures\n\nWritten by `make sim`, {} seeds; ± is half of the 95 % confidence \
         interval over them.\n`docs/simulation.md` says what they mean.\n\n{}",
        results.seeds,
        results.tables()
    );
    std::fs::write(options.out.join("results.md"), text)?;
    results.pictures(&options.out)?;
    results.gallery(&options.out)?;
    step(&options.out, matrix::typical(&options.sizes))
}

/// A step of the load, one seed: where threads ran, as a heat map.
fn step(folder: &Path, cpus: usize) -> Result<(), Box<dyn Error>> {
    let film = |policy: Kind| {
        let case = Case {
            load: Load::Step,
            cpus,
            policy,
        };
        let film = case.run(1).film.expect("a step is filmed");
        (
            format!("{}, load 0.3, 0.98 from 10 to 20 ms, 0.3", policy.name()),
            film,
        )
    };
    let films = [Kind::Weft, Kind::StealHalf, Kind::RoundRobin].map(film);
    plot::heat_map(&folder.join("step.svg"), &films)
}
