//! The end of the machine: who asks for it, and the order in which things stop.

use crate::supervisor::wait_for_signal;
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    PowerOff,
    Reboot,
    Halt,
}

/// How long processes get between the polite signal and the other one.
const PATIENCE: Duration = Duration::from_secs(3);

impl Ending {
    pub const ALL: [Self; 3] = [Self::PowerOff, Self::Reboot, Self::Halt];

    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ending| ending.name() == name)
    }

    pub fn by_signal(signal: Signal) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|ending| ending.signal() == signal)
    }

    fn name(self) -> &'static str {
        match self {
            Self::PowerOff => "poweroff",
            Self::Reboot => "reboot",
            Self::Halt => "halt",
        }
    }

    /// The signals that busybox's commands of the same names send to PID 1.
    pub fn signal(self) -> Signal {
        match self {
            Self::PowerOff => Signal::SIGUSR2,
            Self::Reboot => Signal::SIGTERM,
            Self::Halt => Signal::SIGUSR1,
        }
    }
}

/// The commands `poweroff`, `reboot`, `halt`.
pub fn ask_init(ending: Ending) -> ExitCode {
    match kill(Pid::from_raw(1), ending.signal()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", ending.name());
            ExitCode::FAILURE
        }
    }
}

/// Ends every process, writes everything out, and does not come back.
pub fn carry_out(ending: Ending) -> ! {
    println!("init: {}", ending.name());
    let everyone = Pid::from_raw(-1);
    for (signal, patience) in [(Signal::SIGTERM, PATIENCE), (Signal::SIGKILL, PATIENCE)] {
        let _ = kill(everyone, signal);
        let _ = kill(everyone, Signal::SIGCONT); // a stopped process could not obey
        if wait_for_all(Instant::now() + patience) {
            break;
        }
    }
    nix::unistd::sync();
    let mode = match ending {
        Ending::PowerOff => RebootMode::RB_POWER_OFF,
        Ending::Reboot => RebootMode::RB_AUTOBOOT,
        Ending::Halt => RebootMode::RB_HALT_SYSTEM,
    };
    let Err(error) = reboot(mode);
    eprintln!("init: {}: {error}", ending.name());
    loop {
        std::thread::park();
    }
}

/// True once no child is left; the dead are announced by SIGCHLD, which stays blocked.
fn wait_for_all(until: Instant) -> bool {
    let children = SigSet::from_iter([Signal::SIGCHLD]);
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(_) => return true,
            Ok(WaitStatus::StillAlive) if Instant::now() >= until => return false,
            Ok(WaitStatus::StillAlive) => drop(wait_for_signal(&children, Some(until))),
            Ok(_) => {}
        }
    }
}
