//! `chrt`: shows and sets policy and priority of a program, with the words of util-linux.

use common::arguments;
use std::io::Error;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

const USAGE: &str = "\
usage: chrt [-b|-f|-i|-o|-r] [-R] PRIORITY COMMAND [ARGUMENT...]    run a command so
       chrt [-b|-f|-i|-o|-r] [-R] -p PRIORITY PID                   change a running thread
       chrt -p PID     show what it has           chrt -m    show which priorities there are
-b batch, -f FIFO, -i idle, -o other, -r round robin (the default); -R: not for its children";

/// Letter, number and name of a policy (sched(7)).
const POLICIES: &[(char, i32, &str)] = &[
    ('o', libc::SCHED_OTHER, "SCHED_OTHER"),
    ('f', libc::SCHED_FIFO, "SCHED_FIFO"),
    ('r', libc::SCHED_RR, "SCHED_RR"),
    ('b', libc::SCHED_BATCH, "SCHED_BATCH"),
    ('i', libc::SCHED_IDLE, "SCHED_IDLE"),
];

struct Options {
    policy: i32,
    reset_on_fork: bool,
    process: bool,
    ranges: bool,
    words: Vec<String>,
}

fn main() -> ExitCode {
    arguments::run_tool("chrt", || {
        let options = parse()?;
        let words: Vec<&str> = options.words.iter().map(String::as_str).collect();
        match (options.process, &words[..]) {
            _ if options.ranges => show_ranges(),
            (true, [pid]) => show(number(pid)?)?,
            (true, [priority, pid]) => set(number(pid)?, &options, number(priority)?)?,
            (false, [priority, program, rest @ ..]) => {
                set(0, &options, number(priority)?)?;
                return Ok(launch(program, rest));
            }
            _ => return Err(USAGE.into()),
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn parse() -> Result<Options, String> {
    use lexopt::prelude::*;
    let mut options = Options {
        policy: libc::SCHED_RR,
        reset_on_fork: false,
        process: false,
        ranges: false,
        words: Vec::new(),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let policy = |letter| POLICIES.iter().find(|(known, ..)| *known == letter);
        match argument {
            Short('R') | Long("reset-on-fork") => options.reset_on_fork = true,
            Short('p') | Long("pid") => options.process = true,
            Short('m') | Long("max") => options.ranges = true,
            Short('h') | Long("help") => return Err(USAGE.into()),
            Short(letter) if policy(letter).is_some() => {
                options.policy = policy(letter).map_or(0, |(_, number, _)| *number);
            }
            Value(word) => {
                options.words.push(word.to_string_lossy().into_owned());
                // Whatever follows the priority belongs to the command.
                if !options.process {
                    let rest = parser.raw_args().map_err(|error| error.to_string())?;
                    let rest = rest.map(|word| word.to_string_lossy().into_owned());
                    options.words.extend(rest);
                    break;
                }
            }
            other => return Err(format!("{}\n{USAGE}", other.unexpected())),
        }
    }
    Ok(options)
}

fn number(word: &str) -> Result<i32, String> {
    word.parse()
        .map_err(|_| format!("{word:?} is not a number"))
}

fn parameters(priority: i32) -> libc::sched_param {
    // SAFETY: a structure of integers.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = priority;
    parameters
}

// By number: musl's wrappers answer ENOSYS.

fn set(pid: i32, options: &Options, priority: i32) -> Result<(), String> {
    let reset = i32::from(options.reset_on_fork) * libc::SCHED_RESET_ON_FORK;
    let parameters = parameters(priority);
    // SAFETY: the structure lives.
    let result = unsafe {
        let policy = options.policy | reset;
        libc::syscall(
            libc::SYS_sched_setscheduler,
            pid,
            policy,
            &raw const parameters,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(format!(
            "failed to set pid {pid}'s policy: {}",
            Error::last_os_error()
        )),
    }
}

fn show(pid: i32) -> Result<(), String> {
    let mut parameters = parameters(0);
    // SAFETY: the structure lives.
    let (policy, read) = unsafe {
        (
            libc::syscall(libc::SYS_sched_getscheduler, pid) as i32,
            libc::syscall(libc::SYS_sched_getparam, pid, &raw mut parameters),
        )
    };
    if policy < 0 || read < 0 {
        return Err(format!(
            "failed to get pid {pid}'s policy: {}",
            Error::last_os_error()
        ));
    }
    let plain = policy & !libc::SCHED_RESET_ON_FORK;
    let known = POLICIES.iter().find(|(_, number, _)| *number == plain);
    let name = known.map_or("unknown", |(_, _, name)| name);
    let reset = if policy == plain {
        ""
    } else {
        "|SCHED_RESET_ON_FORK"
    };
    println!("pid {pid}'s current scheduling policy: {name}{reset}");
    println!(
        "pid {pid}'s current scheduling priority: {}",
        parameters.sched_priority
    );
    Ok(())
}

fn show_ranges() {
    for (_, policy, name) in POLICIES {
        // SAFETY: calls without pointers.
        let (least, most) = unsafe {
            (
                libc::syscall(libc::SYS_sched_get_priority_min, *policy),
                libc::syscall(libc::SYS_sched_get_priority_max, *policy),
            )
        };
        println!("{name} min/max priority\t: {least}/{most}");
    }
}

fn launch(program: &str, arguments: &[&str]) -> ExitCode {
    let error = Command::new(program).args(arguments).exec();
    eprintln!("chrt: {program}: {error}");
    let missing = error.kind() == std::io::ErrorKind::NotFound;
    ExitCode::from(if missing { 127 } else { 126 })
}
