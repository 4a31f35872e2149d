//! readv, writev and their kin with offsets and flags.

use super::file_at;
use super::transfer::position;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::syscall::Calls;
use crate::user_memory::{Sink, Source, UserSlice, read_iovecs};
use alloc::vec::Vec;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[
    (__NR_readv as usize, readv),
    (__NR_writev as usize, writev),
    (__NR_preadv as usize, preadv),
    (__NR_pwritev as usize, pwritev),
    (__NR_preadv2 as usize, preadv2),
    (__NR_pwritev2 as usize, pwritev2),
];

/// Hints and promises that memory-backed files keep anyway: RWF_HIPRI, RWF_DSYNC, RWF_SYNC.
const HARMLESS: u32 = 0x1 | 0x2 | 0x4;

fn ranges(frame: &TrapFrame) -> Result<Vec<UserSlice>> {
    read_iovecs(frame.argument(1), frame.argument(2))
}

fn readv(frame: &mut TrapFrame) -> Result<usize> {
    let file = file_at(frame, 0)?;
    file.read(&mut Sink::user_vectors(&ranges(frame)?))
}

fn writev(frame: &mut TrapFrame) -> Result<usize> {
    let file = file_at(frame, 0)?;
    file.write(&mut Source::user_vectors(&ranges(frame)?))
}

fn preadv(frame: &mut TrapFrame) -> Result<usize> {
    let (file, offset) = (file_at(frame, 0)?, position(frame.argument(3))?);
    file.read_at(offset, &mut Sink::user_vectors(&ranges(frame)?))
}

fn pwritev(frame: &mut TrapFrame) -> Result<usize> {
    let (file, offset) = (file_at(frame, 0)?, position(frame.argument(3))?);
    file.write_at(offset, &mut Source::user_vectors(&ranges(frame)?))
}

fn preadv2(frame: &mut TrapFrame) -> Result<usize> {
    check(frame)?;
    if at_own_offset(frame) {
        readv(frame)
    } else {
        preadv(frame)
    }
}

fn pwritev2(frame: &mut TrapFrame) -> Result<usize> {
    check(frame)?;
    if at_own_offset(frame) {
        writev(frame)
    } else {
        pwritev(frame)
    }
}

fn check(frame: &TrapFrame) -> Result<()> {
    if frame.argument(5) as u32 & !HARMLESS == 0 {
        Ok(())
    } else {
        Err(Errno::EOPNOTSUPP)
    }
}

/// Offset -1 stands for the file's own.
fn at_own_offset(frame: &TrapFrame) -> bool {
    frame.argument(3) as i64 == -1
}
