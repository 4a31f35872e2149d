//! A booted machine under test: its serial line, the ports it is reached by, its end.

use crate::pieces::forward;
use crate::{machine, qemu, tree};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

pub const KERNEL: &str = "build/Image";

/// Silence for this long is a hang, on a host that is busy too.
pub const HANG_TIMEOUT: Duration = Duration::from_secs(180);

pub struct Guest {
    process: Child,
    output: Receiver<Vec<u8>>,
    pub serial: String,
    log: PathBuf,
    pub ssh_port: u16,
    pub http_port: u16,
    /// When waiting gives up even if the machine goes on talking.
    pub end_by: Option<Instant>,
}

/// What differs from an ordinary boot.
pub struct Variant {
    pub kernel: PathBuf,
    pub append: String,
    pub initrd: PathBuf,
    /// More words for QEMU.
    pub qemu: Vec<String>,
    /// Instead of the machine's own number.
    pub cpus: Option<u32>,
}

impl Default for Variant {
    fn default() -> Self {
        Self {
            kernel: KERNEL.into(),
            append: String::new(),
            initrd: "build/initramfs.cpio".into(),
            qemu: Vec::new(),
            cpus: None,
        }
    }
}

/// Two ports nobody uses at the moment. Both are held until both are known: a port let go at once
/// is given out again, in about one of 7,000 cases as the very next one.
fn free_ports() -> std::io::Result<(u16, u16)> {
    let one = TcpListener::bind(("127.0.0.1", 0))?;
    let other = TcpListener::bind(("127.0.0.1", 0))?;
    Ok((one.local_addr()?.port(), other.local_addr()?.port()))
}

impl Guest {
    /// Boots `machine`; the serial line is kept in `build/test/NAME.log` too.
    pub fn boot(name: &str, machine: &str, variant: Variant) -> Result<Self, String> {
        let (ssh_port, http_port) =
            free_ports().map_err(|error| format!("no free port: {error}"))?;
        let boot = qemu::Boot {
            kernel: variant.kernel,
            initrd: Some(variant.initrd),
            append: variant.append,
            ssh_port: Some(ssh_port),
            http_port: Some(http_port),
            gdb_port: None,
        };
        let mut machine = machine::load(machine)?;
        machine.cpus = variant.cpus.unwrap_or(machine.cpus);
        let mut process = Command::new(qemu::PROGRAM)
            .args(qemu::command_line(&machine, &boot))
            .args(tree::arguments(&machine)?)
            .args(variant.qemu)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", qemu::PROGRAM))?;
        let (sender, output) = channel();
        forward(process.stdout.take().ok_or("no serial line")?, &sender);
        // What QEMU itself complains about belongs to the log as well.
        forward(process.stderr.take().ok_or("no error output")?, &sender);
        let log = PathBuf::from(format!("build/test/{name}.log"));
        Ok(Self {
            process,
            output,
            serial: String::new(),
            log,
            ssh_port,
            http_port,
            end_by: None,
        })
    }

    /// Reads until `done` is satisfied by what came so far.
    pub fn wait_until(&mut self, done: impl Fn(&str) -> bool) -> Result<(), String> {
        while !done(&self.serial) {
            let now = Instant::now();
            let left = self.end_by.map_or(HANG_TIMEOUT, |end| end - now);
            if left.is_zero() {
                return Err(self.why("it takes too long"));
            }
            match self.output.recv_timeout(left.min(HANG_TIMEOUT)) {
                Ok(bytes) => self.serial.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Disconnected) => return Err(self.why("the machine ended")),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.why("the serial line stays silent"));
                }
            }
            if self.serial.contains("KERNEL PANIC") || self.serial.contains("kernel panic") {
                // Whatever else the panic has to say, then stop.
                while let Ok(bytes) = self.output.recv_timeout(Duration::from_secs(2)) {
                    self.serial.push_str(&String::from_utf8_lossy(&bytes));
                }
                return Err(self.why("the kernel panicked"));
            }
        }
        Ok(())
    }

    pub fn wait_for(&mut self, text: &str) -> Result<(), String> {
        self.wait_until(|serial| serial.contains(text))
            .map_err(|why| format!("waiting for {text:?}: {why}"))
    }

    /// Reads until QEMU has ended by itself.
    pub fn wait_for_end(&mut self) -> Result<(), String> {
        match self.wait_until(|_| false) {
            Err(why) if !why.starts_with("the machine ended") => return Err(why),
            _ => {}
        }
        match self.process.wait() {
            Ok(status) if status.success() => Ok(()),
            other => Err(self.why(&format!("QEMU itself ended with {other:?}"))),
        }
    }

    /// The reason with the last lines of the serial line below it.
    fn why(&self, what: &str) -> String {
        let lines: Vec<&str> = self.serial.lines().collect();
        let last = lines[lines.len().saturating_sub(12)..].join("\n    | ");
        format!("{what}; {}:\n    | {last}", self.log.display())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        while let Ok(bytes) = self.output.try_recv() {
            self.serial.push_str(&String::from_utf8_lossy(&bytes));
        }
        let _ = std::fs::write(&self.log, &self.serial);
    }
}
