//! Starts services, reaps every child and orphan, and restarts what should be running.
//!
//! One thread, no handlers: signals stay blocked and are taken one at a time with
//! `sigtimedwait(2)`, whose timeout is the next restart that is due.

use crate::config::{Policy, Service};
use crate::shutdown::Ending;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A service that lived this long is healthy: its next restart is immediate again.
const HEALTHY: Duration = Duration::from_secs(10);
const LONGEST_DELAY: Duration = Duration::from_secs(30);

pub fn block_signals() -> SigSet {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    signals.add(Signal::SIGINT);
    Ending::ALL
        .iter()
        .for_each(|ending| signals.add(ending.signal()));
    if let Err(error) = sigprocmask(SigmaskHow::SIG_BLOCK, Some(&signals), None) {
        eprintln!("init: cannot block signals: {error}");
    }
    signals
}

enum State {
    Due(Instant),
    Running(Pid, Instant),
    Ended,
}

struct Entry {
    service: Service,
    state: State,
    delay: Duration,
}

pub struct Supervisor {
    entries: Vec<Entry>,
}

impl Supervisor {
    pub fn new(services: Vec<Service>) -> Self {
        let now = Instant::now();
        let entry = |service| Entry {
            service,
            state: State::Due(now),
            delay: Duration::ZERO,
        };
        Self {
            entries: services.into_iter().map(entry).collect(),
        }
    }

    /// Runs until somebody asks for an end.
    pub fn run(&mut self, signals: &SigSet) -> Ending {
        loop {
            self.entries.iter_mut().for_each(Entry::start_if_due);
            if let Some(ending) =
                wait_for_signal(signals, self.next_due()).and_then(Ending::by_signal)
            {
                return ending;
            }
            if let Some(ending) = self.reap() {
                return ending;
            }
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let due = |entry: &Entry| match entry.state {
            State::Due(when) => Some(when),
            _ => None,
        };
        self.entries.iter().filter_map(due).min()
    }

    /// Collects everyone who has ended: our services, and orphans that fell to us.
    fn reap(&mut self) -> Option<Ending> {
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(_) => return None,
                Ok(status) => status,
            };
            let Some(pid) = status.pid() else { continue };
            let service = self
                .entries
                .iter_mut()
                .find(|entry| matches!(entry.state, State::Running(own, _) if own == pid));
            if let Some(ending) = service.and_then(|entry| entry.ended(status)) {
                return Some(ending);
            }
        }
    }
}

impl Entry {
    fn start_if_due(&mut self) {
        match self.state {
            State::Due(when) if when <= Instant::now() => {}
            _ => return,
        }
        self.state = match start(&self.service) {
            Ok(pid) => State::Running(pid, Instant::now()),
            Err(error) => {
                eprintln!("init: cannot start {}: {error}", self.service.command[0]);
                self.retry_later()
            }
        };
    }

    fn ended(&mut self, status: WaitStatus) -> Option<Ending> {
        let State::Running(pid, since) = self.state else {
            return None;
        };
        let how = match status {
            WaitStatus::Exited(_, code) => format!("exit status {code}"),
            WaitStatus::Signaled(_, signal, _) => format!("{signal}"),
            other => format!("{other:?}"),
        };
        match self.service.policy {
            Policy::Only => {
                println!("init: {} ended: {how}", self.service.name());
                return Some(Ending::PowerOff);
            }
            Policy::Once => self.state = State::Ended,
            Policy::Respawn | Policy::Console => {
                eprintln!("init: {} ({pid}) ended: {how}", self.service.name());
                if since.elapsed() >= HEALTHY {
                    self.delay = Duration::ZERO;
                }
                self.state = self.retry_later();
            }
        }
        None
    }

    /// Each failure in a row doubles the pause, so that a broken service costs little.
    fn retry_later(&mut self) -> State {
        if self.service.policy == Policy::Once {
            return State::Ended;
        }
        let due = Instant::now() + self.delay;
        self.delay = (self.delay * 2).clamp(Duration::from_millis(200), LONGEST_DELAY);
        State::Due(due)
    }
}

fn start(service: &Service) -> std::io::Result<Pid> {
    let mut command = Command::new(&service.command[0]);
    command.args(&service.command[1..]);
    let console = service.policy == Policy::Console;
    if !console {
        command.stdin(Stdio::null());
    }
    // SAFETY: between fork and exec only async-signal-safe calls are made.
    unsafe { command.pre_exec(move || prepare_child(console)) };
    Ok(Pid::from_raw(command.spawn()?.id() as i32))
}

/// A session of its own, the console as its terminal where asked for, and no blocked signals.
fn prepare_child(console: bool) -> std::io::Result<()> {
    nix::unistd::setsid()?;
    if console {
        // SAFETY: TIOCSCTTY takes an integer and no pointer.
        unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    Ok(())
}

/// The next pending signal, or nothing once `until` has come.
pub fn wait_for_signal(signals: &SigSet, until: Option<Instant>) -> Option<Signal> {
    let left = until.map(|until| until.saturating_duration_since(Instant::now()));
    let timeout = left.map(|left| libc::timespec {
        tv_sec: left.as_secs() as _,
        tv_nsec: left.subsec_nanos().into(),
    });
    let timeout = timeout
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: set and timeout outlive the call, and no information is asked for.
    let number = unsafe { libc::sigtimedwait(signals.as_ref(), std::ptr::null_mut(), timeout) };
    Signal::try_from(number).ok()
}
