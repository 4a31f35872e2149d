//! flock(2), and the record locks of fcntl(2).

use super::{files, real_file_at};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::OpenFile;
use crate::fs::lock::{self, Kind, Owner, Record, Space};
use crate::process;
use crate::syscall::Calls;
use crate::user_memory::{UserPtr, plain};
use linux_raw_sys::general::__NR_flock;

pub const CALLS: &Calls = &[(__NR_flock as usize, flock)];

/// What one of the locking commands does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Test,
    Set { wait: bool },
}

/// What a command of fcntl(2) does, and whether to locks of the description; `None` if to none.
pub fn command(command: u32) -> Option<(Action, bool)> {
    match command {
        5 => Some((Action::Test, false)),
        6 => Some((Action::Set { wait: false }, false)),
        7 => Some((Action::Set { wait: true }, false)),
        36 => Some((Action::Test, true)),
        37 => Some((Action::Set { wait: false }, true)),
        38 => Some((Action::Set { wait: true }, true)),
        _ => None,
    }
}

/// `struct flock`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Flock {
    kind: i16,
    whence: i16,
    padding: u32,
    start: i64,
    length: i64,
    pid: i32,
    padding2: u32,
}
plain!(Flock);
const _: () = assert!(size_of::<Flock>() == 32);

const READ_LOCK: i16 = 0;
const WRITE_LOCK: i16 = 1;
const UNLOCK: i16 = 2;

/// fcntl(2) with one of the locking commands.
pub fn record_lock(
    file: &OpenFile,
    (action, of_description): (Action, bool),
    user: UserPtr<Flock>,
) -> Result<usize> {
    let asked = user.read()?;
    let wanted = wanted(file, &asked, of_description)?;
    let node = file.metadata().id;
    match (action, asked.kind) {
        (_, kind) if !matches!(kind, READ_LOCK | WRITE_LOCK | UNLOCK) => Err(Errno::EINVAL),
        (Action::Test, UNLOCK) => Err(Errno::EINVAL),
        (Action::Test, _) => {
            let free = Flock {
                kind: UNLOCK,
                ..asked
            };
            let held = lock::conflict(node, Space::Records, &wanted);
            user.write(held.map_or(free, |held| describe(&held)))
        }
        (Action::Set { .. }, UNLOCK) => {
            lock::release(node, Space::Records, wanted);
            Ok(())
        }
        (Action::Set { wait }, kind) => {
            match kind {
                READ_LOCK => file.check_readable(),
                _ => file.check_writable(),
            }?;
            lock::acquire(node, Space::Records, wanted, wait)
        }
    }?;
    Ok(0)
}

/// The lock that `asked` is about, of the process or of the file's description.
fn wanted(file: &OpenFile, asked: &Flock, of_description: bool) -> Result<Record> {
    let (start, end) = range(file, asked)?;
    let (owner, pid) = match of_description {
        true if asked.pid != 0 => return Err(Errno::EINVAL),
        true => (Owner::Description(file.serial()), 0),
        false => (Owner::Process(files().serial()), process::current().pid()),
    };
    let kind = match asked.kind {
        WRITE_LOCK => Kind::Exclusive,
        _ => Kind::Shared,
    };
    Ok(Record {
        owner,
        kind,
        start,
        end,
        pid,
    })
}

/// The bytes that `asked` is about; a negative length counts backwards.
fn range(file: &OpenFile, asked: &Flock) -> Result<(u64, u64)> {
    let origin = match asked.whence {
        0 => 0,
        1 => file.offset(),
        2 => file.metadata().size,
        _ => return Err(Errno::EINVAL),
    };
    let start = (origin as i64)
        .checked_add(asked.start)
        .ok_or(Errno::EOVERFLOW)?;
    let other = start.checked_add(asked.length).ok_or(Errno::EOVERFLOW)?;
    let first = u64::try_from(start.min(other)).map_err(|_| Errno::EINVAL)?;
    let end = if asked.length == 0 {
        u64::MAX
    } else {
        start.max(other) as u64
    };
    Ok((first, end))
}

fn describe(held: &Record) -> Flock {
    let length = if held.end == u64::MAX {
        0
    } else {
        (held.end - held.start) as i64
    };
    Flock {
        kind: if held.kind == Kind::Exclusive {
            WRITE_LOCK
        } else {
            READ_LOCK
        },
        start: held.start as i64,
        length,
        pid: if held.pid == 0 { -1 } else { held.pid as i32 },
        ..Flock::default()
    }
}

fn flock(frame: &mut TrapFrame) -> Result<usize> {
    const SHARED: usize = 1;
    const EXCLUSIVE: usize = 2;
    const NONBLOCKING: usize = 4;
    const UNLOCKED: usize = 8;
    let file = real_file_at(frame, 0)?;
    let wait = frame.argument(1) & NONBLOCKING == 0;
    let node = file.metadata().id;
    let owner = Owner::Description(file.serial());
    let wanted = |kind| Record {
        owner,
        kind,
        start: 0,
        end: u64::MAX,
        pid: 0,
    };
    match frame.argument(1) & !NONBLOCKING {
        SHARED => lock::acquire(node, Space::Whole, wanted(Kind::Shared), wait),
        EXCLUSIVE => lock::acquire(node, Space::Whole, wanted(Kind::Exclusive), wait),
        UNLOCKED => {
            lock::release(node, Space::Whole, wanted(Kind::Shared));
            Ok(())
        }
        _ => Err(Errno::EINVAL),
    }?;
    Ok(0)
}
