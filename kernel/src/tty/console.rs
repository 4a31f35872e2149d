//! The system console as a terminal: the UART's input typed in by a thread, output straight to it.

use super::file::TerminalFile;
use super::terminal::{Output, Terminal};
use crate::console;
use crate::error::{Errno, Result};
use crate::fs::DeviceNumber;
use crate::fs::file::File;
use alloc::boxed::Box;
use alloc::sync::Arc;
use smp::ThreadSpec;
use spin::Once;

/// `/dev/console` (Linux devices.txt).
pub const DEVICE: DeviceNumber = DeviceNumber::new(5, 1);

static TERMINAL: Once<Arc<Terminal>> = Once::new();

struct ConsoleOutput;

impl Output for ConsoleOutput {
    fn room(&self) -> usize {
        usize::MAX
    }

    fn emit(&self, bytes: &[u8]) {
        console::write(bytes);
    }
}

/// Makes the console terminal and starts the thread that feeds it: once, after the scheduler.
pub fn init() {
    TERMINAL.call_once(|| Arc::new(Terminal::new(DEVICE, Box::new(ConsoleOutput))));
    smp::spawn(ThreadSpec::new("console", feed)).expect("boot has memory for a thread");
}

fn feed() {
    let Some(terminal) = TERMINAL.get() else {
        return;
    };
    loop {
        let mut typed = [0; 64];
        let count = console::read_input(&mut typed);
        // Typed faster than read: what does not fit is lost, as on a real line.
        terminal.input(&typed[..count]);
    }
}

/// Opens `/dev/console`. As on Linux, that alone never makes it a controlling terminal (init
/// opens it too); TIOCSCTTY does.
pub fn open() -> Result<Arc<dyn File>> {
    let terminal = TERMINAL.get().ok_or(Errno::ENXIO)?;
    TerminalFile::open(terminal.clone(), true)
}
