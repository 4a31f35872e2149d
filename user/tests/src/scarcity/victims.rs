//! Which program goes when memory runs out, and how its calls end.

use super::{ADJUSTMENT, adjust, may_exhaust};
use crate::harness::{Failure, Outcome, Test, child, status_of, succeeds};
use nix::errno::Errno;
use nix::sys::prctl::set_dumpable;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, Uid, pause, pipe, read, setuid, write};
use std::fs::File;
use std::os::fd::AsRawFd;

pub const TESTS: &[Test] = &[
    ("scarcity.score_adjustment", score_adjustment),
    ("scarcity.score_follows", score_follows),
    (
        "scarcity.copies_end_by_the_signal",
        copies_end_by_the_signal,
    ),
    ("scarcity.volunteer_goes_first", volunteer_goes_first),
];

fn number(path: &str) -> Result<i32, Failure> {
    Ok(std::fs::read_to_string(path)?.trim().parse()?)
}

fn score_adjustment() -> Outcome {
    let errno = |result: std::io::Result<()>| result.err().and_then(|error| error.raw_os_error());
    let before = number(ADJUSTMENT)?;
    for wrong in ["1001", "-1001", "much"] {
        ensure_eq!(errno(std::fs::write(ADJUSTMENT, wrong)), Some(libc::EINVAL));
    }
    let unprivileged = child(|| {
        status_of((|| {
            setuid(Uid::from_raw(60_123))?;
            ensure_eq!(errno(adjust(before + 10)), Some(libc::EACCES));
            set_dumpable(true)?;
            adjust(before + 10)?;
            succeeds(child(|| {
                i32::from(number(ADJUSTMENT).ok() != Some(before + 10))
            })?)?;
            adjust(before)?;
            ensure_eq!(errno(adjust(before - 1)), Some(libc::EACCES));
            Ok(())
        })())
    })?;
    succeeds(unprivileged)
}

/// Who is to go first has the highest score there is.
fn score_follows() -> Outcome {
    let score = || number("/proc/self/oom_score");
    adjust(0)?;
    let before = score()?;
    adjust(500)?;
    let after = score()?;
    // 500 of 1,000, shown in two thirds.
    ensure!((330..=337).contains(&(after - before)), "{before}, {after}");
    Ok(())
}

/// Fills new memory by read(2) until there is none. Only one that is wrong returns.
fn fill_by_reading() -> Outcome {
    const PIECE: usize = 4 << 20;
    let zeros = File::open("/dev/zero")?;
    loop {
        let (rights, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
        );
        // SAFETY: new memory, which nobody else uses.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), PIECE, rights, kind, -1, 0) };
        ensure!(at != libc::MAP_FAILED);
        // SAFETY: as above.
        let count = unsafe { libc::read(zeros.as_raw_fd(), at, PIECE) };
        ensure_eq!(Errno::result(count), Ok(PIECE as isize));
    }
}

const KILLED: Signal = Signal::SIGKILL;

fn ends_by_sigkill(process: Pid) -> Outcome {
    ensure_eq!(
        waitpid(process, None)?,
        WaitStatus::Signaled(process, KILLED, false)
    );
    Ok(())
}

/// A call that brings in its caller's memory when there is none never says that the address is bad.
fn copies_end_by_the_signal() -> Outcome {
    if !may_exhaust() {
        return Ok(());
    }
    let hog = child(|| {
        let _ = adjust(900);
        status_of(fill_by_reading())
    })?;
    ends_by_sigkill(hog)
}

/// A small process that has offered itself goes before a large one, whose turn comes when that was
/// not enough; a process that is exempt stays.
fn volunteer_goes_first() -> Outcome {
    if !may_exhaust() {
        return Ok(());
    }
    let (ready, tell) = pipe()?;
    let sleeper = |adjustment: i32| {
        child(|| {
            if adjust(adjustment).is_err() || write(&tell, b".") != Ok(1) {
                return 1;
            }
            loop {
                pause();
            }
        })
    };
    let (volunteer, exempt) = (sleeper(1000)?, sleeper(-1000)?);
    for _ in 0..2 {
        ensure_eq!(read(&ready, &mut [0])?, 1);
    }
    let hog = child(|| {
        let _ = adjust(0);
        status_of(fill_by_reading())
    })?;
    ends_by_sigkill(hog)?;
    ends_by_sigkill(volunteer)?;
    kill(exempt, Signal::SIGTERM)?;
    ensure_eq!(
        waitpid(exempt, None)?,
        WaitStatus::Signaled(exempt, Signal::SIGTERM, false)
    );
    Ok(())
}
