//! The tools for the scheduler, called as people call them: util-linux's words, and quiet ends.

use crate::harness::{Failure, Outcome, Test};
use crate::programs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};

pub const TESTS: &[Test] = &[
    ("chrt.runs_a_command", runs_a_command),
    ("chrt.changes_a_running_process", changes_a_running_process),
    ("chrt.shows_the_ranges", shows_the_ranges),
    ("chrt.says_what_is_wrong", says_what_is_wrong),
    ("nice.runs_a_command", runs_nicely),
    ("tools.end_quietly", end_quietly),
    ("tools.links_lead_somewhere", links_lead_somewhere),
];

fn chrt(words: &[&str]) -> Result<Output, Failure> {
    Ok(Command::new("chrt").args(words).output()?)
}

/// What it printed, if it was content.
fn text(output: Output) -> Result<String, Failure> {
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

/// The two lines about one process.
fn shown(pid: u32, policy: &str, priority: i32) -> String {
    let line = |what, value: &str| format!("pid {pid}'s current scheduling {what}: {value}\n");
    line("policy", policy) + &line("priority", &priority.to_string())
}

/// The program it runs has what was asked for.
fn runs_a_command() -> Outcome {
    let me = std::env::current_exe()?;
    let me = me.to_str().ok_or("a strange name")?;
    for (words, found) in [
        (&["-f", "7"][..], "1 7\n"),
        (&["8"], "2 8\n"),
        (&["-R", "-r", "9"], "1073741826 9\n"),
        (&["-b", "0"], "3 0\n"),
        (&["-i", "0"], "5 0\n"),
        (&["-o", "0"], "0 0\n"),
    ] {
        let run = [words, &[me, programs::MARK, "policy"]].concat();
        ensure_eq!(text(chrt(&run)?)?, found);
    }
    Ok(())
}

/// A process that sleeps until this goes.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Result<Self, Failure> {
        Ok(Self(Command::new("sleep").arg("1000").spawn()?))
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn changes_a_running_process() -> Outcome {
    let sleeper = Sleeper::new()?;
    let (pid, name) = (sleeper.0.id(), sleeper.0.id().to_string());
    for (letter, priority, policy) in [
        ("-f", "50", "SCHED_FIFO"),
        ("-r", "3", "SCHED_RR"),
        ("-b", "0", "SCHED_BATCH"),
    ] {
        text(chrt(&[letter, "-p", priority, &name])?)?;
        let found = text(chrt(&["-p", &name])?)?;
        ensure_eq!(found, shown(pid, policy, priority.parse()?));
    }
    text(chrt(&["-R", "-f", "-p", "1", &name])?)?;
    let found = text(chrt(&["-p", &name])?)?;
    ensure_eq!(found, shown(pid, "SCHED_FIFO|SCHED_RESET_ON_FORK", 1));
    Ok(())
}

fn shows_the_ranges() -> Outcome {
    let found = text(chrt(&["-m"])?)?;
    for (policy, range) in [("OTHER", "0/0"), ("FIFO", "1/99"), ("RR", "1/99")] {
        let line = format!("SCHED_{policy} min/max priority\t: {range}");
        ensure!(found.lines().any(|found| found == line), "{found}");
    }
    Ok(())
}

fn says_what_is_wrong() -> Outcome {
    for words in [
        &["-f", "100", "true"][..],
        &["-o", "1", "true"],
        &["-f", "-p", "1", "4000000"],
        &["-p", "4000000"],
        &["-f", "one", "true"],
        &[],
    ] {
        let output = chrt(words)?;
        ensure!(!output.status.success(), "{words:?}: {output:?}");
        ensure!(
            !output.stderr.is_empty(),
            "{words:?} says nothing: {output:?}"
        );
    }
    let missing = chrt(&["-o", "0", "/there/is/no/such/program"])?;
    ensure_eq!(missing.status.code(), Some(127));
    Ok(())
}

/// Nobody reads: the signal ends them, and they do not complain.
fn end_quietly() -> Outcome {
    let mut there = 0;
    for words in [
        &["chrt", "-m"][..],
        &["taskset", "-p", "1"],
        &["cpuctl"],
        &["cpustat", "--json", "-n", "1"],
        &["kthreads"],
    ] {
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        let mut tool = Command::new(words[0]);
        tool.args(&words[1..]).stdout(writer).stderr(Stdio::piped());
        let Ok(tool) = tool.spawn() else {
            continue; // not on every system
        };
        there += 1;
        let output = tool.wait_with_output()?;
        let signal = output.status.signal();
        ensure_eq!((words, signal), (words, Some(libc::SIGPIPE)));
        ensure_eq!(String::from_utf8(output.stderr)?, "");
    }
    ensure!(there > 0);
    Ok(())
}

fn runs_nicely() -> Outcome {
    let nice = |words: &[&str]| text(Command::new("nice").args(words).output()?);
    let own: i32 = nice(&[])?.trim().parse()?;
    for (words, more) in [(&["-n", "3", "nice"][..], 3), (&["nice"], 10)] {
        ensure_eq!(nice(words)?, format!("{}\n", (own + more).min(19)));
    }
    let missing = Command::new("nice")
        .arg("/there/is/no/such/program")
        .output()?;
    ensure!(!missing.status.success(), "{missing:?}");
    Ok(())
}

/// One program with many names knows them all.
fn links_lead_somewhere() -> Outcome {
    let Ok(list) = Command::new("/bin/busybox").arg("--list").output() else {
        return Ok(()); // not on every system
    };
    let known = text(list)?;
    for entry in std::fs::read_dir("/bin")? {
        let entry = entry?;
        let leads_there =
            std::fs::read_link(entry.path()).is_ok_and(|target| target.ends_with("busybox"));
        let name = entry.file_name().to_string_lossy().into_owned();
        ensure!(
            !leads_there || known.lines().any(|known| known == name),
            "busybox is no {name}"
        );
    }
    Ok(())
}
