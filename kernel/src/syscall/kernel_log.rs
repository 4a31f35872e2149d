//! The kernel log: syslog(2), what dmesg reads.

use super::Calls;
use crate::arch::TrapFrame;
use crate::console;
use crate::error::{Errno, Result};
use crate::process::{Capabilities, current};
use crate::user_memory::copy_out;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[(__NR_syslog as usize, syslog)];

const READ_ALL: usize = 3;
const SIZE_UNREAD: usize = 9;
const SIZE_BUFFER: usize = 10;
/// Lines are copied out in pieces of this size.
const PIECE: usize = 256;

fn syslog(registers: &mut TrapFrame) -> Result<usize> {
    let (address, room) = (registers.argument(1), registers.argument(2));
    match registers.argument(0) {
        READ_ALL => read_last(address, room),
        SIZE_BUFFER => Ok(length()),
        _ if !current().credentials().has(Capabilities::SYS_ADMIN) => Err(Errno::EPERM),
        // Nothing is ever marked as read.
        SIZE_UNREAD => Ok(length()),
        _ => Err(Errno::EINVAL),
    }
}

/// How many bytes are kept.
fn length() -> usize {
    let (mut length, mut piece) = (0, [0; PIECE]);
    loop {
        match console::read_log(length, &mut piece) {
            0 => return length,
            count => length += count,
        }
    }
}

/// The newest `room` bytes.
fn read_last(address: usize, room: usize) -> Result<usize> {
    let mut from = length().saturating_sub(room);
    let (mut done, mut piece) = (0, [0; PIECE]);
    while done < room {
        let wanted = PIECE.min(room - done);
        let count = console::read_log(from, &mut piece[..wanted]);
        if count == 0 {
            break;
        }
        copy_out(address.wrapping_add(done), &piece[..count])?;
        (from, done) = (from + count, done + count);
    }
    Ok(done)
}
