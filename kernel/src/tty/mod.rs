//! Terminals: the console and pseudo-terminals, with line discipline and job control.
//!
//! [`discipline`] is pure policy, [`terminal`] adds waiting and state, [`job_control`] decides who
//! may use it, [`pty`] and [`console`] are the two kinds of line. The device file system opens
//! terminals through the functions here.

pub mod console;
pub mod discipline;
mod file;
mod ioctl;
mod job_control;
pub mod pty;
pub mod terminal;
pub mod termios;

use crate::error::{Errno, Result};
use crate::fs::DeviceNumber;
use crate::fs::file::File;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

/// `/dev/tty` (Linux devices.txt).
pub const TTY_DEVICE: DeviceNumber = DeviceNumber::new(5, 0);

/// Opens `/dev/tty`: the caller's controlling terminal; `ENXIO` without one.
pub fn open_controlling() -> Result<Arc<dyn File>> {
    let terminal = job_control::controlling().ok_or(Errno::ENXIO)?;
    file::TerminalFile::open(terminal, true)
}

/// The controlling terminal's device number, for `/proc/<pid>/stat` (`tty_nr`).
pub fn controlling_device(process: &crate::process::Process) -> Option<DeviceNumber> {
    Some(controlling_terminal(process)?.device())
}

/// The foreground process group of its controlling terminal (`tpgid`).
pub fn foreground_group(process: &crate::process::Process) -> Option<u32> {
    controlling_terminal(process)?.state.lock().jobs.foreground
}

fn controlling_terminal(process: &crate::process::Process) -> Option<Arc<terminal::Terminal>> {
    process.session()?.terminal()?.as_any().downcast().ok()
}

/// The path of a terminal's device file.
fn name(device: DeviceNumber) -> String {
    match device {
        console::DEVICE => String::from("/dev/console"),
        DeviceNumber { minor, .. } => format!("/dev/pts/{minor}"),
    }
}
