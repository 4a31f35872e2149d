//! `taskset`: shows and sets the CPUs that a program may run on, with the words of util-linux.

use common::{arguments, cpu_list};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: taskset [-c] MASK COMMAND [ARGUMENT...]    run a command on these CPUs
       taskset [-a] [-c] -p MASK PID              move a running process
       taskset [-a] [-c] -p PID                   show where it may run
-c: CPUs as a list (0-2,5) instead of a hexadecimal mask; -a: every thread of the process";

#[derive(Default)]
struct Options {
    all: bool,
    list: bool,
    process: bool,
    words: Vec<String>,
}

fn main() -> ExitCode {
    arguments::run_tool("taskset", || {
        let options = parse()?;
        match options.process {
            true => on_process(&options).map(|()| ExitCode::SUCCESS),
            false => launch(&options),
        }
    })
}

fn parse() -> Result<Options, String> {
    use lexopt::prelude::*;
    let mut options = Options::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Short('a') | Long("all-tasks") => options.all = true,
            Short('c') | Long("cpu-list") => options.list = true,
            Short('p') | Long("pid") => options.process = true,
            Short('h') | Long("help") => return Err(USAGE.into()),
            Value(word) => {
                options.words.push(word.to_string_lossy().into_owned());
                // Whatever follows the first word of a command belongs to the command.
                if !options.process && options.words.len() == 1 {
                    let rest = parser.raw_args().map_err(|error| error.to_string())?;
                    let rest: Vec<_> = rest
                        .map(|word| word.to_string_lossy().into_owned())
                        .collect();
                    options.words.extend(rest);
                    break;
                }
            }
            other => return Err(format!("{}\n{USAGE}", other.unexpected())),
        }
    }
    Ok(options)
}

fn launch(options: &Options) -> Result<ExitCode, String> {
    let [cpus, program, rest @ ..] = &options.words[..] else {
        return Err(USAGE.into());
    };
    set(Pid::from_raw(0), &parse_set(cpus, options)?)?;
    let error = Command::new(program).args(rest).exec();
    eprintln!("taskset: {program}: {error}");
    let missing = error.kind() == std::io::ErrorKind::NotFound;
    Ok(ExitCode::from(if missing { 127 } else { 126 }))
}

fn on_process(options: &Options) -> Result<(), String> {
    let (cpus, pid) = match &options.words[..] {
        [pid] => (None, pid),
        [cpus, pid] => (Some(parse_set(cpus, options)?), pid),
        _ => return Err(USAGE.into()),
    };
    let pid: i32 = pid
        .parse()
        .map_err(|_| format!("{pid:?} is not a process id"))?;
    for task in tasks(pid, options.all)? {
        show(task, "current", options)?;
        if let Some(cpus) = &cpus {
            set(task, cpus)?;
            show(task, "new", options)?;
        }
    }
    Ok(())
}

fn tasks(pid: i32, all: bool) -> Result<Vec<Pid>, String> {
    if !all {
        return Ok(vec![Pid::from_raw(pid)]);
    }
    let folder = format!("/proc/{pid}/task");
    let listing = std::fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
    let numbers = listing
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(numbers.map(Pid::from_raw).collect())
}

fn parse_set(text: &str, options: &Options) -> Result<CpuSet, String> {
    if options.list {
        cpu_list::parse_list(text)
    } else {
        cpu_list::parse_mask(text)
    }
}

fn set(task: Pid, cpus: &CpuSet) -> Result<(), String> {
    sched_setaffinity(task, cpus)
        .map_err(|error| format!("failed to set pid {task}'s affinity: {}", error.desc()))
}

fn show(task: Pid, when: &str, options: &Options) -> Result<(), String> {
    let cpus = sched_getaffinity(task)
        .map_err(|error| format!("failed to get pid {task}'s affinity: {}", error.desc()))?;
    let (kind, text) = match options.list {
        true => ("list", cpu_list::format_list(&cpus)),
        false => ("mask", cpu_list::format_mask(&cpus)),
    };
    println!("pid {task}'s {when} affinity {kind}: {text}");
    Ok(())
}
