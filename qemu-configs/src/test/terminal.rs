//! The OpenSSH client in a terminal of its own, as a person would use it.

use nix::pty::{Winsize, openpty};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, Sender, channel};

pub struct Terminal {
    master: File,
    output: Receiver<Vec<u8>>,
    pub process: Child,
    pub seen: String,
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// Makes the terminal the program's: its input and outputs, and what controls its session.
fn attach(command: &mut Command, slave: &OwnedFd) -> std::io::Result<()> {
    command
        .stdin(slave.try_clone()?)
        .stdout(slave.try_clone()?)
        .stderr(slave.try_clone()?)
        .env("TERM", "xterm");
    let take_terminal = || {
        nix::unistd::setsid()?;
        // SAFETY: TIOCSCTTY takes an integer and no pointer.
        unsafe { nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) };
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe calls are made.
    unsafe { command.pre_exec(take_terminal) };
    Ok(())
}

/// Hands on what the program shows, until it or the reader is gone.
fn relay(terminal: &mut File, output: &Sender<Vec<u8>>) {
    const WHERE_IS_THE_CURSOR: &[u8] = b"\x1b[6n";
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = terminal.read(&mut buffer) {
        // Line editors ask; a terminal answers.
        let pieces = buffer[..count].windows(WHERE_IS_THE_CURSOR.len());
        for _ in pieces.filter(|bytes| *bytes == WHERE_IS_THE_CURSOR) {
            let _ = terminal.write_all(b"\x1b[1;1R");
        }
        if output.send(buffer[..count].to_vec()).is_err() {
            break;
        }
    }
}

impl Terminal {
    pub fn start(mut command: Command, rows: u16, columns: u16) -> Result<Self, String> {
        let pair = openpty(Some(&size(rows, columns)), None)
            .map_err(|error| format!("no terminal: {error}"))?;
        attach(&mut command, &pair.slave).map_err(|error| error.to_string())?;
        let process = command
            .spawn()
            .map_err(|error| format!("cannot start ssh: {error}"))?;
        drop(command); // it holds the slave open
        drop(pair.slave);
        let master = File::from(pair.master);
        let mut reader = master.try_clone().map_err(|error| error.to_string())?;
        let (sender, output) = channel();
        std::thread::spawn(move || relay(&mut reader, &sender));
        Ok(Self {
            master,
            output,
            process,
            seen: String::new(),
        })
    }

    /// Reads until the text has come; what was seen before it is forgotten.
    pub fn expect(&mut self, text: &str) -> Result<(), String> {
        loop {
            if let Some(place) = self.seen.find(text) {
                self.seen.drain(..place + text.len());
                return Ok(());
            }
            match self.output.recv_timeout(super::guest::HANG_TIMEOUT) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => return Err(format!("{text:?} did not come, but {:?}", self.seen)),
            }
        }
    }

    pub fn send(&mut self, text: &str) -> Result<(), String> {
        self.master
            .write_all(text.as_bytes())
            .map_err(|error| error.to_string())
    }

    pub fn resize(&mut self, rows: u16, columns: u16) -> Result<(), String> {
        let size = size(rows, columns);
        // SAFETY: TIOCSWINSZ reads one winsize, which outlives the call.
        let answer = unsafe {
            nix::libc::ioctl(
                self.master.as_raw_fd(),
                nix::libc::TIOCSWINSZ,
                &raw const size,
            )
        };
        if answer == 0 {
            Ok(())
        } else {
            Err("cannot resize the terminal".into())
        }
    }

    pub fn wait(&mut self) -> Result<ExitStatus, String> {
        self.process.wait().map_err(|error| error.to_string())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
