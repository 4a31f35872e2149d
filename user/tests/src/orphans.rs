//! Orphaned process groups (POSIX, _exit()): stopped jobs that nobody is left to continue are hung
//! up, once, by the end that orphans them.

use crate::harness::{Failure, Outcome, Test, child, succeeds, wait_for_state};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, pause, pipe, read, setpgid, setsid, write};
use std::os::fd::OwnedFd;

pub const TESTS: &[Test] = &[
    ("orphan.stopped_job_is_hung_up", stopped_job_is_hung_up),
    (
        "orphan.only_by_the_end_that_orphans",
        only_by_the_end_that_orphans,
    ),
];

/// Told from one process to another.
struct Line {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Line {
    fn new() -> Result<Self, Failure> {
        let (reader, writer) = pipe()?;
        Ok(Self { reader, writer })
    }

    fn tell(&self, pid: Pid) {
        let _ = write(&self.writer, &pid.as_raw().to_ne_bytes());
    }

    fn hear(&self) -> Result<Pid, Failure> {
        let mut bytes = [0; 4];
        ensure_eq!(read(&self.reader, &mut bytes)?, 4);
        Ok(Pid::from_raw(i32::from_ne_bytes(bytes)))
    }
}

/// Orphans come to this process.
fn adopt() -> Outcome {
    Ok(nix::sys::prctl::set_child_subreaper(true)?)
}

fn wait_for_ever() -> ! {
    loop {
        pause();
    }
}

/// A session leader ends beside a stopped job of its own.
fn stopped_job_is_hung_up() -> Outcome {
    adopt()?;
    let (job, go) = (Line::new()?, Line::new()?);
    let leader = child(|| {
        let _ = setsid();
        let stopped = child(|| {
            let _ = setpgid(getpid(), getpid());
            job.tell(getpid());
            wait_for_ever()
        });
        let heard = go.hear();
        i32::from(stopped.is_err() || heard.is_err())
    })?;
    let stopped = job.hear()?;
    kill(stopped, Signal::SIGSTOP)?;
    wait_for_state(stopped, 'T');
    go.tell(leader);
    succeeds(leader)?;
    ensure_eq!(
        waitpid(stopped, None)?,
        WaitStatus::Signaled(stopped, Signal::SIGHUP, false)
    );
    Ok(())
}

/// A group that is orphaned already loses a member while another one is stopped.
fn only_by_the_end_that_orphans() -> Outcome {
    adopt()?;
    let (line, go) = (Line::new()?, Line::new()?);
    let leader = child(|| {
        let _ = setsid();
        let member = child(|| {
            let _ = setpgid(getpid(), getpid());
            let other = child(|| wait_for_ever());
            let _ = other.as_ref().map(|&other| line.tell(other));
            let heard = go.hear();
            i32::from(other.is_err() || heard.is_err())
        });
        let _ = member.as_ref().map(|&member| line.tell(member));
        0
    })?;
    succeeds(leader)?;
    let (one, other) = (line.hear()?, line.hear()?);
    // The member ends by itself, the other one is its child: whichever came first.
    let (member, stopped) = match parent_of(one)? == getpid() {
        true => (one, other),
        false => (other, one),
    };
    kill(stopped, Signal::SIGSTOP)?;
    wait_for_state(stopped, 'T');
    go.tell(member);
    succeeds(member)?;
    kill(stopped, Signal::SIGKILL)?;
    ensure_eq!(
        waitpid(stopped, None)?,
        WaitStatus::Signaled(stopped, Signal::SIGKILL, false)
    );
    Ok(())
}

fn parent_of(pid: Pid) -> Result<Pid, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let parent = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.split(' ').nth(1));
    let parent = parent.and_then(|number| number.parse().ok());
    Ok(Pid::from_raw(parent.ok_or("no parent")?))
}
