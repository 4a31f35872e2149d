//! Starting the person's shell, in a terminal or between pipes, as a session of its own.

use crate::descriptor::Descriptor;
use crate::exemption;
use crate::terminal::{self, Size};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, tcgetpgrp};
use std::io::Result;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// Runs single commands: small and quick to start. Logins get the shell of /etc/passwd.
const COMMAND_SHELL: &str = "/bin/sh";
const DEFAULT_PATH: &str = "/bin:/sbin:/usr/bin:/usr/sbin";

/// What the client said before it asked for a shell or a command.
#[derive(Default)]
pub struct Request {
    pub environment: Vec<(String, String)>,
    pub terminal: Option<(String, Size)>,
    pub command: Option<Vec<u8>>,
}

/// The command behind a subsystem's name: an ordinary program between pipes.
pub fn subsystem(name: &str) -> Option<&'static str> {
    (name == "sftp").then_some("exec /sbin/sftp-server")
}

/// A running program and the ends of its standard streams.
pub struct Program {
    pub child: Child,
    pub input: Arc<Descriptor>,
    pub output: Arc<Descriptor>,
    /// A terminal carries both outputs in one stream.
    pub errors: Option<Descriptor>,
    pub group: Group,
}

/// Who is to be told when the client leaves or sends a signal.
#[derive(Clone)]
pub struct Group {
    leader: Pid,
    terminal: Option<Arc<Descriptor>>,
}

pub fn start(request: &Request, peer: SocketAddr) -> Result<Program> {
    let mut command = shell(request, peer);
    match &request.terminal {
        Some((kind, size)) => in_terminal(command.env("TERM", kind), *size),
        None => between_pipes(&mut command),
    }
}

fn shell(request: &Request, peer: SocketAddr) -> Command {
    let (home, shell) = person();
    let mut command = match &request.command {
        Some(line) => {
            let mut command = Command::new(COMMAND_SHELL);
            command.arg("-c").arg(std::ffi::OsStr::from_bytes(line));
            command
        }
        None => {
            let mut command = Command::new(&shell);
            command.arg0(format!("-{}", shell.rsplit('/').next().unwrap_or("sh")));
            command
        }
    };
    command
        .env_clear()
        .env("PATH", DEFAULT_PATH)
        .envs(request.environment.iter().cloned());
    command.envs([
        ("HOME", home.as_str()),
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("SHELL", shell.as_str()),
    ]);
    command.env("SSH_CLIENT", format!("{} {} 22", peer.ip(), peer.port()));
    if std::path::Path::new(&home).is_dir() {
        command.current_dir(home);
    }
    command
}

/// Home and shell of root, from /etc/passwd.
fn person() -> (String, String) {
    let text = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let fields: Vec<&str> = text
        .lines()
        .find(|line| line.starts_with("root:"))
        .unwrap_or("")
        .split(':')
        .collect();
    let field = |index: usize, default: &str| {
        fields
            .get(index)
            .filter(|text| !text.is_empty())
            .unwrap_or(&default)
            .to_string()
    };
    (field(5, "/root"), field(6, "/bin/sh"))
}

fn in_terminal(command: &mut Command, size: Size) -> Result<Program> {
    let pair = terminal::open_pair(size)?;
    command.env("SSH_TTY", &pair.name);
    command
        .stdin(pair.slave.try_clone()?)
        .stdout(pair.slave.try_clone()?)
        .stderr(pair.slave);
    let child = spawn(command, true)?;
    let master = Arc::new(Descriptor::new(pair.master)?);
    Ok(Program {
        group: Group {
            leader: Pid::from_raw(child.id() as i32),
            terminal: Some(Arc::clone(&master)),
        },
        child,
        input: Arc::clone(&master),
        output: master,
        errors: None,
    })
}

fn between_pipes(command: &mut Command) -> Result<Program> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = spawn(command, false)?;
    let missing = || std::io::Error::other("a standard stream is missing");
    let input = OwnedFd::from(child.stdin.take().ok_or_else(missing)?);
    let output = OwnedFd::from(child.stdout.take().ok_or_else(missing)?);
    let errors = OwnedFd::from(child.stderr.take().ok_or_else(missing)?);
    Ok(Program {
        group: Group {
            leader: Pid::from_raw(child.id() as i32),
            terminal: None,
        },
        child,
        input: Arc::new(Descriptor::new(input)?),
        output: Arc::new(Descriptor::new(output)?),
        errors: Some(Descriptor::new(errors)?),
    })
}

fn spawn(command: &mut Command, terminal: bool) -> Result<Child> {
    let prepare = move || {
        nix::unistd::setsid()?;
        exemption::end();
        if terminal {
            // SAFETY: TIOCSCTTY takes an integer and no pointer.
            unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
        }
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe calls are made.
    unsafe { command.pre_exec(prepare) };
    let child = command.spawn();
    // The slave ends that the command holds must go, or the terminal never says that it ended.
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    child
}

impl Group {
    /// Signals the terminal's foreground group, or the program's own group.
    pub fn signal(&self, signal: Signal) {
        let foreground = self
            .terminal
            .as_ref()
            .and_then(|terminal| tcgetpgrp(terminal.get()).ok());
        let _ = killpg(
            foreground
                .filter(|group| group.as_raw() > 0)
                .unwrap_or(self.leader),
            signal,
        );
    }

    /// The client is gone: the foreground group hears it, and so does the session's leader.
    pub fn hang_up(&self) {
        self.signal(Signal::SIGHUP);
        let _ = killpg(self.leader, Signal::SIGHUP);
        let _ = killpg(self.leader, Signal::SIGCONT);
    }

    pub fn resize(&self, size: Size) {
        if let Some(terminal) = &self.terminal {
            terminal::resize(terminal.get(), size);
        }
    }
}
