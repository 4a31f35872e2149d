//! Job control: which group a terminal's keys reach, and who may read from it.

use crate::harness::{Failure, Outcome, Test, child, succeeds};
use crate::terminal;
use nix::pty::OpenptyResult;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{getpid, read, setpgid, setsid, tcgetpgrp, tcsetpgrp, write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

pub const TESTS: &[Test] = &[
    ("job.interrupt_key", interrupt_key),
    ("job.stop_key", stop_key),
    ("job.foreground_only", foreground_only),
    ("job.background_read_stops", background_read_stops),
    ("job.window_change_is_told", window_change_is_told),
    ("job.hang_up_reaches_group", hang_up_reaches_group),
];

/// Runs `body` as a session leader with the terminal; its result is the exit status.
fn in_session(
    pair: OpenptyResult,
    body: impl FnOnce(OwnedFd) -> Outcome,
) -> Result<(nix::unistd::Pid, OwnedFd), Failure> {
    let leader = child(|| {
        let _ = nix::unistd::close(pair.master.as_raw_fd()); // the parent's copy alone keeps it open
        crate::harness::status_of((|| {
            setsid()?;
            ensure_eq!(
                // SAFETY: TIOCSCTTY takes an integer and no pointer.
                unsafe { libc::ioctl(pair.slave.as_raw_fd(), libc::TIOCSCTTY, 0) },
                0
            );
            body(pair.slave)
        })())
    })?;
    Ok((leader, pair.master))
}

fn expect(master: &OwnedFd, text: &str) -> Outcome {
    let mut seen = String::new();
    let mut buffer = [0; 256];
    while !seen.contains(text) {
        let count = read(master, &mut buffer)?;
        ensure!(count > 0, "the terminal ended after {seen:?}");
        seen += &String::from_utf8_lossy(&buffer[..count]);
    }
    Ok(())
}

/// A child in a group of its own that says when it is there, then sleeps.
fn job(terminal: &OwnedFd) -> Result<nix::unistd::Pid, Failure> {
    let (ready, told) = nix::unistd::pipe()?;
    let pid = child(|| {
        let _ = setpgid(getpid(), getpid());
        let _ = write(&told, b"x");
        loop {
            nix::unistd::pause();
        }
    })?;
    read(&ready, &mut [0])?;
    let _ = terminal;
    Ok(pid)
}

/// From the background, tcsetpgrp would stop the caller.
fn give_terminal(terminal: &OwnedFd, group: nix::unistd::Pid) -> Outcome {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler runs.
    unsafe { sigaction(Signal::SIGTTOU, &ignore) }?;
    tcsetpgrp(terminal, group)?;
    ensure_eq!(tcgetpgrp(terminal)?, group);
    Ok(())
}

fn key_ends_job(key: &[u8], expected: impl FnOnce(nix::unistd::Pid) -> WaitStatus) -> Outcome {
    let (leader, master) = in_session(terminal::open()?, |slave| {
        let job = job(&slave)?;
        give_terminal(&slave, job)?;
        write(&slave, b"ready")?;
        let status = waitpid(job, Some(WaitPidFlag::WUNTRACED))?;
        ensure_eq!(status, expected(job));
        if matches!(status, WaitStatus::Stopped(..)) {
            kill(job, Signal::SIGKILL)?;
            waitpid(job, None)?;
        }
        Ok(())
    })?;
    expect(&master, "ready")?;
    write(&master, key)?;
    succeeds(leader)
}

fn interrupt_key() -> Outcome {
    key_ends_job(b"\x03", |job| {
        WaitStatus::Signaled(job, Signal::SIGINT, false)
    })
}

fn stop_key() -> Outcome {
    key_ends_job(b"\x1a", |job| WaitStatus::Stopped(job, Signal::SIGTSTP))
}

fn foreground_only() -> Outcome {
    let (leader, master) = in_session(terminal::open()?, |slave| {
        let (front, back) = (job(&slave)?, job(&slave)?);
        give_terminal(&slave, front)?;
        write(&slave, b"ready")?;
        ensure_eq!(
            waitpid(front, None)?,
            WaitStatus::Signaled(front, Signal::SIGINT, false)
        );
        ensure_eq!(
            waitpid(back, Some(WaitPidFlag::WNOHANG))?,
            WaitStatus::StillAlive
        );
        kill(back, Signal::SIGKILL)?;
        waitpid(back, None)?;
        Ok(())
    })?;
    expect(&master, "ready")?;
    write(&master, b"\x03")?;
    succeeds(leader)
}

fn background_read_stops() -> Outcome {
    let (leader, _master) = in_session(terminal::open()?, |slave| {
        tcsetpgrp(&slave, getpid())?;
        let reader = child(|| {
            let _ = setpgid(getpid(), getpid());
            let _ = read(&slave, &mut [0]);
            1
        })?;
        ensure_eq!(
            waitpid(reader, Some(WaitPidFlag::WUNTRACED))?,
            WaitStatus::Stopped(reader, Signal::SIGTTIN)
        );
        kill(reader, Signal::SIGKILL)?;
        waitpid(reader, None)?;
        Ok(())
    })?;
    succeeds(leader)
}

static TOLD: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_: i32) {
    TOLD.store(true, SeqCst);
}

fn window_change_is_told() -> Outcome {
    let (leader, master) = in_session(terminal::open()?, |slave| {
        let action = SigAction::new(SigHandler::Handler(note), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler touches an atomic only.
        unsafe { sigaction(Signal::SIGWINCH, &action) }?;
        let winch = SigSet::from_iter([Signal::SIGWINCH]);
        winch.thread_block()?;
        write(&slave, b"ready")?;
        while !TOLD.load(SeqCst) {
            SigSet::empty().suspend()?;
        }
        Ok(())
    })?;
    expect(&master, "ready")?;
    let size = libc::winsize {
        ws_row: 10,
        ws_col: 20,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    ensure_eq!(
        // SAFETY: TIOCSWINSZ reads one winsize.
        unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) },
        0
    );
    succeeds(leader)
}

fn hang_up_reaches_group() -> Outcome {
    let (leader, master) = in_session(terminal::open()?, |slave| {
        write(&slave, b"ready")?;
        loop {
            nix::unistd::pause();
        }
    })?;
    expect(&master, "ready")?;
    drop(master);
    ensure_eq!(
        waitpid(leader, None)?,
        WaitStatus::Signaled(leader, Signal::SIGHUP, false)
    );
    Ok(())
}
