//! Runs a row in a process group of its own, and reports how it ended.

use crate::measure::{Plan, Trouble};
use crate::{report, rows::Row};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, setpgid};
use std::io::Write;
use std::time::Duration;

/// The word that makes this program end at once: it is what the exec rows start.
pub const EXIT: &str = "exit-at-once";

/// A row that takes longer, in seconds, has lost a wake-up: it is ended and reported.
const PATIENCE: u32 = 60;

/// How long a kernel may finish what a row has left it to do, before the next row begins: each
/// buries dead threads and frees memory later than it says so.
const REST: Duration = Duration::from_millis(20);

/// True when the row printed figures, or said that it cannot run here.
pub fn run(row: &Row, plan: Plan) -> bool {
    // SAFETY: this process has one thread, so that the child may do anything.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => in_child(row, plan),
        Ok(ForkResult::Parent { child }) => ended_well(row, child),
        Err(error) => said(row, Trouble::from(error)),
    }
}

fn in_child(row: &Row, plan: Plan) -> ! {
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    nix::unistd::alarm::set(PATIENCE);
    let outcome = (row.run)(plan);
    let failed = matches!(outcome, Err(Trouble::Failed(_)));
    report::lines(row.name, &outcome)
        .iter()
        .for_each(|line| println!("{line}"));
    let _ = std::io::stdout().flush();
    std::process::exit(failed.into())
}

fn ended_well(row: &Row, child: Pid) -> bool {
    let status = waitpid(child, None);
    let _ = killpg(child, Signal::SIGKILL); // whatever the row left behind
    std::thread::sleep(REST);
    match status {
        Ok(WaitStatus::Exited(_, 0)) => true,
        Ok(WaitStatus::Exited(_, 1)) => false, // it has said why
        other => said(row, Trouble::Failed(format!("{other:?}"))),
    }
}

fn said(row: &Row, trouble: Trouble) -> bool {
    report::lines(row.name, &Err(trouble))
        .iter()
        .for_each(|line| println!("{line}"));
    false
}
