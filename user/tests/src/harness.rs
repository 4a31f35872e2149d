//! Runs each test in a process of its own, with a time limit, and counts.
//!
//! A test is a function that returns why it failed. `ensure!` states what must hold.

use nix::sys::signal::{SigHandler, Signal, killpg};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, setpgid};
use std::fs::File;
use std::io::{Read, Write};
use std::process::ExitCode;

pub type Outcome = Result<(), Failure>;
pub type Test = (&'static str, fn() -> Outcome);

/// Why a test failed, in a sentence; any error turns into one.
#[derive(Debug)]
pub struct Failure(pub String);

impl<E: std::fmt::Display> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        let place = std::panic::Location::caller();
        Self(format!("{error} ({}:{})", place.file(), place.line()))
    }
}

/// Fails the test with the condition's text, or with what is given after it.
macro_rules! ensure {
    ($condition:expr) => {
        ensure!($condition, "{}", stringify!($condition))
    };
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::harness::Failure(format!("{} ({}:{})", format!($($message)+), file!(), line!())));
        }
    };
}

/// Fails the test unless both sides are equal, and shows them.
macro_rules! ensure_eq {
    ($left:expr, $right:expr) => {
        match (&$left, &$right) {
            (left, right) => ensure!(
                left == right,
                "{} is {:?}, not {:?}",
                stringify!($left),
                left,
                right
            ),
        }
    };
}

/// Seconds for one test; a machine under full load is slow, a hang is for ever.
const TIME_LIMIT: u32 = 120;

pub fn run(tests: &[Test], words: &[String]) -> ExitCode {
    if words.iter().any(|word| word == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let chosen =
        |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in tests.iter().filter(|(name, _)| chosen(name)) {
        print!("test {name} ... ");
        let _ = std::io::stdout().flush();
        match in_own_process(*test) {
            Ok(()) => {
                passed += 1;
                println!("ok");
            }
            Err(Failure(why)) => {
                failed += 1;
                println!("FAILED: {why}");
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn in_own_process(test: fn() -> Outcome) -> Outcome {
    let (reader, writer) = nix::unistd::pipe()?;
    // SAFETY: this process has one thread, so the child may do anything.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(reader);
            let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
            heed_the_terminal();
            nix::unistd::alarm::set(TIME_LIMIT);
            let why = test().err().map(|Failure(why)| why).unwrap_or_default();
            let _ = File::from(writer).write_all(why.as_bytes());
            std::process::exit(i32::from(!why.is_empty()));
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let status = waitpid(child, None)?;
            let _ = killpg(child, Signal::SIGKILL); // whatever a failed test has left behind
            match status {
                WaitStatus::Exited(_, 0) => Ok(()),
                WaitStatus::Signaled(_, Signal::SIGALRM, _) => {
                    Err(Failure(format!("still running after {TIME_LIMIT} s")))
                }
                _ => {
                    // A grandchild that was left behind may hold the pipe: take what is there.
                    let mut why = vec![0; 4096];
                    let count = if matches!(status, WaitStatus::Exited(..)) {
                        File::from(reader).read(&mut why)?
                    } else {
                        0
                    };
                    match count {
                        0 => Err(Failure(format!("{status:?}"))),
                        _ => Err(Failure(String::from_utf8_lossy(&why[..count]).into_owned())),
                    }
                }
            }
        }
    }
}

/// Whoever starts this in the background may have had these ignored (POSIX, sh, asynchronous lists).
fn heed_the_terminal() {
    for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP] {
        // SAFETY: the default action needs no handler.
        let _ = unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) };
    }
}

/// Runs `body` in a child and says how that child ended. Its result becomes the exit status.
pub fn child(body: impl FnOnce() -> i32) -> Result<Pid, Failure> {
    // SAFETY: the tests that fork have one thread at that moment.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let status = body();
            // SAFETY: ends this process and runs nothing else of it.
            unsafe { libc::_exit(status) }
        }
        ForkResult::Parent { child } => Ok(child),
    }
}

/// `child`, then its end.
pub fn end_of(body: impl FnOnce() -> i32) -> Result<WaitStatus, Failure> {
    Ok(waitpid(child(body)?, None)?)
}

/// The exit status that tells what a test inside a child came to.
pub fn status_of(outcome: Outcome) -> i32 {
    match outcome {
        Ok(()) => 0,
        Err(Failure(why)) => {
            eprintln!("in a child: {why}");
            1
        }
    }
}

/// Until the thread, or the process' main one, sleeps.
pub fn wait_until_asleep(thread: Pid) {
    wait_for_state(thread, 'S');
}

/// Until the thread, or the process' main one, is in such a state, as /proc tells.
pub fn wait_for_state(thread: Pid, state: char) {
    let is_there = || {
        let stat = std::fs::read_to_string(format!("/proc/{thread}/stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with(state))
    };
    while !is_there() {
        std::thread::yield_now();
    }
}

/// Waits for a child that must end with status 0.
pub fn succeeds(child: Pid) -> Outcome {
    let status = waitpid(child, None)?;
    ensure_eq!(status, WaitStatus::Exited(child, 0));
    Ok(())
}

/// A folder of this test's own, gone with the value.
pub struct Folder(pub std::path::PathBuf);

impl Folder {
    pub fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("weft-tests-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
