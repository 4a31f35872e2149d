//! The kernel log: a `log` backend that keeps every line and prints each in one piece.

use super::ring::Ring;
use super::{UART, write_whole};
use crate::arch;
use core::fmt::{self, Write};
use log::{LevelFilter, Log, Metadata, Record};
use smp::SpinLock;

const KEPT: usize = 64 * 1024;

static KEPT_LINES: SpinLock<Ring<KEPT>> = SpinLock::new(Ring::new());

struct KernelLog;

/// One line, built on the stack so that it can be sent whole; what does not fit is cut.
struct Line {
    bytes: [u8; 256],
    length: usize,
}

impl Line {
    /// Room left for the line's end.
    const END: usize = 2;

    fn finish(&mut self) -> &[u8] {
        self.bytes[self.length..self.length + 2].copy_from_slice(b"\r\n");
        &self.bytes[..self.length + 2]
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.len() - Self::END - self.length;
        let count = text.len().min(room);
        self.bytes[self.length..self.length + count].copy_from_slice(&text.as_bytes()[..count]);
        self.length += count;
        Ok(())
    }
}

impl Log for KernelLog {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut line = Line {
            bytes: [0; 256],
            length: 0,
        };
        let micros = arch::now_ns() / 1000;
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
        let level = match record.level() {
            log::Level::Error => "error: ",
            log::Level::Warn => "warning: ",
            _ => "",
        };
        // A line cannot fail to be written: it is cut.
        let _ = write!(line, "[{seconds:5}.{rest:06}] {level}{}", record.args());
        let bytes = line.finish();
        keep(bytes);
        write_whole(bytes);
    }

    fn flush(&self) {}
}

fn keep(line: &[u8]) {
    let mut kept = KEPT_LINES.lock();
    line.iter()
        .filter(|byte| **byte != b'\r')
        .for_each(|byte| kept.put_over(*byte));
}

/// Makes the `log` macros work. Lines are kept from here on and printed once there is a UART.
pub fn init_log(level: LevelFilter) {
    static LOG: KernelLog = KernelLog;
    // Fails only when called twice; the first one serves.
    let _ = log::set_logger(&LOG);
    log::set_max_level(level);
}

/// Copies kept lines from the `from`th byte on (dmesg); returns how many bytes there were.
pub fn read_log(from: usize, into: &mut [u8]) -> usize {
    KEPT_LINES.lock().copy(from, into)
}

/// Prints what was logged before there was a UART.
pub(super) fn print_backlog() {
    if UART.get().is_none() {
        return;
    }
    let (mut from, mut chunk) = (0, [0; 128]);
    loop {
        let count = read_log(from, &mut chunk);
        if count == 0 {
            return;
        }
        for piece in chunk[..count].split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(text) => {
                    write_whole(text);
                    write_whole(b"\r\n");
                }
                None => write_whole(piece),
            }
        }
        from += count;
    }
}
