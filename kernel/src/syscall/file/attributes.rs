//! Changing what files are: owner, permissions, times, size.

use super::transfer::position;
use super::{
    AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, check_flags, file_at, path_at, place_at, place_of,
    real_file_at,
};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::node::{Allocation, AttributeChange, FileType, Timestamp};
use crate::fs::{Caller, Location, clock, size_limit};
use crate::syscall::Calls;
use crate::user_memory::UserPtr;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[
    (__NR_truncate as usize, truncate),
    (__NR_ftruncate as usize, ftruncate),
    (__NR_fallocate as usize, fallocate),
    (__NR_fchmod as usize, fchmod),
    (__NR_fchmodat as usize, fchmodat),
    (__NR_fchownat as usize, fchownat),
    (__NR_fchown as usize, fchown),
    (__NR_utimensat as usize, utimensat),
    (__NR_fchmodat2 as usize, fchmodat2),
];

fn truncate(frame: &mut TrapFrame) -> Result<usize> {
    let size = position(frame.argument(1))?;
    let path = path_at(frame, 0)?;
    let caller = Caller::current();
    let place = caller.find(None, &path, true)?;
    size_limit::check(&*place.node, size)?;
    caller.truncate(&place, size).map(|()| 0)
}

fn ftruncate(frame: &mut TrapFrame) -> Result<usize> {
    let size = position(frame.argument(1))?;
    let file = real_file_at(frame, 0)?;
    file.check_writable().map_err(|_| Errno::EINVAL)?;
    let node = file.node().ok_or(Errno::EINVAL)?;
    size_limit::check(&*node, size)?;
    node.truncate(size).map(|()| 0)
}

fn fallocate(frame: &mut TrapFrame) -> Result<usize> {
    const KEEP_SIZE: usize = 1;
    const PUNCH_HOLE: usize = 2;
    const ZERO_RANGE: usize = 16;
    let keep_size = frame.argument(1) & KEEP_SIZE != 0;
    let what = match frame.argument(1) & !KEEP_SIZE {
        0 => Allocation::Reserve { keep_size },
        PUNCH_HOLE if keep_size => Allocation::PunchHole,
        ZERO_RANGE => Allocation::ZeroRange { keep_size },
        _ => return Err(Errno::EOPNOTSUPP),
    };
    let (offset, length) = (position(frame.argument(2))?, position(frame.argument(3))?);
    if length == 0 {
        return Err(Errno::EINVAL);
    }
    let file = real_file_at(frame, 0)?;
    file.check_writable()?;
    match file.metadata().file_type {
        FileType::Regular => {}
        FileType::Fifo => return Err(Errno::ESPIPE),
        _ => return Err(Errno::ENODEV),
    }
    let node = file.node().ok_or(Errno::ENODEV)?;
    if !keep_size {
        size_limit::check(&*node, offset.saturating_add(length))?;
    }
    node.allocate(what, offset, length).map(|()| 0)
}

fn fchmod(frame: &mut TrapFrame) -> Result<usize> {
    let place = place_of(&*real_file_at(frame, 0)?)?;
    Caller::current()
        .change_mode(&place, frame.argument(1) as u16)
        .map(|()| 0)
}

fn fchmodat(frame: &mut TrapFrame) -> Result<usize> {
    change_mode(frame, 0)
}

fn fchmodat2(frame: &mut TrapFrame) -> Result<usize> {
    let flags = frame.argument(3) as u32;
    check_flags(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    change_mode(frame, flags)
}

fn change_mode(frame: &TrapFrame, flags: u32) -> Result<usize> {
    let caller = Caller::current();
    let place = place_at(&caller, frame, 0, flags)?;
    if place.node.file_type() == FileType::Symlink {
        return Err(Errno::EOPNOTSUPP);
    }
    caller
        .change_mode(&place, frame.argument(2) as u16)
        .map(|()| 0)
}

fn fchown(frame: &mut TrapFrame) -> Result<usize> {
    let place = place_of(&*real_file_at(frame, 0)?)?;
    let (uid, gid) = (id(frame.argument(1)), id(frame.argument(2)));
    Caller::current().change_owner(&place, uid, gid).map(|()| 0)
}

fn fchownat(frame: &mut TrapFrame) -> Result<usize> {
    let flags = frame.argument(4) as u32;
    check_flags(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let caller = Caller::current();
    let place = place_at(&caller, frame, 0, flags)?;
    caller
        .change_owner(&place, id(frame.argument(2)), id(frame.argument(3)))
        .map(|()| 0)
}

/// A user or group id; -1 leaves it.
fn id(argument: usize) -> Option<u32> {
    Some(argument as u32).filter(|&id| id != u32::MAX)
}

fn utimensat(frame: &mut TrapFrame) -> Result<usize> {
    let flags = frame.argument(3) as u32;
    check_flags(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let caller = Caller::current();
    let place: Location = match UserPtr::<u8>::new(frame.argument(1)).optional() {
        // futimens(3): the descriptor itself.
        None => place_of(&*file_at(frame, 0)?)?,
        Some(_) => place_at(&caller, frame, 0, flags)?,
    };
    let now = clock::now();
    let (accessed, modified) = match UserPtr::<[i64; 2]>::new(frame.argument(2)).optional() {
        None => (Time::Now, Time::Now),
        Some(times) => (time(times.read()?)?, time(times.element(1).read()?)?),
    };
    if (accessed, modified) == (Time::Omit, Time::Omit) {
        return Ok(0);
    }
    let change = AttributeChange {
        accessed: accessed.at(now),
        modified: modified.at(now),
        ..Default::default()
    };
    let to_now = (accessed, modified) == (Time::Now, Time::Now);
    caller.change_times(&place, &change, to_now).map(|()| 0)
}

/// One of the two times of utimensat(2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Time {
    Now,
    Omit,
    At(Timestamp),
}

impl Time {
    fn at(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Time::Now => Some(now),
            Time::Omit => None,
            Time::At(time) => Some(time),
        }
    }
}

fn time([seconds, nanoseconds]: [i64; 2]) -> Result<Time> {
    const NOW: i64 = 0x3fff_ffff;
    const OMIT: i64 = 0x3fff_fffe;
    match nanoseconds {
        NOW => Ok(Time::Now),
        OMIT => Ok(Time::Omit),
        0..1_000_000_000 => Ok(Time::At(Timestamp {
            seconds,
            nanoseconds: nanoseconds as u32,
        })),
        _ => Err(Errno::EINVAL),
    }
}
