//! fcntl, flock and ioctl.

use super::{file_at, files, real_file_at};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::lock::{self, Kind, Owner, Record, Space};
use crate::fs::tmpfs::contents::Seals;
use crate::fs::tmpfs::inode::Inode;
use crate::fs::{Fd, FileType, OpenFile, OpenFlags};
use crate::process;
use crate::syscall::Calls;
use crate::user_memory::{UserPtr, plain};
use alloc::sync::Arc;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[
    (__NR_fcntl as usize, fcntl),
    (__NR_ioctl as usize, ioctl),
    (__NR_flock as usize, flock),
];

/// FD_CLOEXEC.
const CLOSE_ON_EXEC: usize = 1;

fn fcntl(frame: &mut TrapFrame) -> Result<usize> {
    const DUPFD: u32 = 0;
    const GETFD: u32 = 1;
    const SETFD: u32 = 2;
    const GETFL: u32 = 3;
    const SETFL: u32 = 4;
    const DUPFD_CLOEXEC: u32 = 1030;
    const SETPIPE_SZ: u32 = 1031;
    const GETPIPE_SZ: u32 = 1032;
    const ADD_SEALS: u32 = 1033;
    const GET_SEALS: u32 = 1034;
    let (fd, command, argument) = (
        frame.argument(0) as Fd,
        frame.argument(1) as u32,
        frame.argument(2),
    );
    let file = file_at(frame, 0)?;
    let files = files();
    match command {
        DUPFD => files
            .insert_from(lowest(argument)?, file, false)
            .map(|fd| fd as usize),
        DUPFD_CLOEXEC => files
            .insert_from(lowest(argument)?, file, true)
            .map(|fd| fd as usize),
        GETFD => files.close_on_exec(fd).map(usize::from),
        SETFD => files
            .set_close_on_exec(fd, argument & CLOSE_ON_EXEC != 0)
            .map(|()| 0),
        GETFL => Ok(file.flags().bits() as usize),
        _ if file.flags().contains(OpenFlags::PATH) => Err(Errno::EBADF),
        SETFL => {
            file.set_flags(OpenFlags::from_bits_retain(argument as u32));
            Ok(0)
        }
        ADD_SEALS => {
            file.check_writable().map_err(|_| Errno::EPERM)?;
            let seals = Seals::from_bits(argument as u32).ok_or(Errno::EINVAL)?;
            memory_file(&file)?.contents()?.add_seals(seals).map(|()| 0)
        }
        GET_SEALS => Ok(memory_file(&file)?.contents()?.seals().bits() as usize),
        _ => match lock_command(command) {
            Some(wanted) => record_lock(&file, wanted, UserPtr::new(argument)),
            // Pipes answer these; on anything else it is the wrong descriptor.
            None if matches!(command, SETPIPE_SZ | GETPIPE_SZ) && !is_pipe(&file) => {
                Err(Errno::EBADF)
            }
            None => file.file().control(command, argument),
        },
    }
}

fn is_pipe(file: &OpenFile) -> bool {
    file.metadata().file_type == FileType::Fifo
}

fn lowest(argument: usize) -> Result<Fd> {
    Fd::try_from(argument).map_err(|_| Errno::EINVAL)
}

fn memory_file(file: &OpenFile) -> Result<Arc<Inode>> {
    let node = file.node().ok_or(Errno::EINVAL)?;
    node.as_any().downcast::<Inode>().map_err(|_| Errno::EINVAL)
}

/// What one of the locking commands does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Test,
    Set { wait: bool },
}

fn lock_command(command: u32) -> Option<(Action, bool)> {
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
struct Flock {
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

fn record_lock(
    file: &OpenFile,
    (action, of_description): (Action, bool),
    user: UserPtr<Flock>,
) -> Result<usize> {
    let asked = user.read()?;
    let (start, end) = range(file, &asked)?;
    let owner = match of_description {
        true if asked.pid != 0 => return Err(Errno::EINVAL),
        true => Owner::Description(file.serial()),
        false => Owner::Process(files().serial()),
    };
    let kind = if asked.kind == WRITE_LOCK {
        Kind::Exclusive
    } else {
        Kind::Shared
    };
    let pid = if of_description {
        0
    } else {
        process::current().pid()
    };
    let wanted = Record {
        owner,
        kind,
        start,
        end,
        pid,
    };
    let node = file.metadata().id;
    match (action, asked.kind) {
        (_, kind) if !matches!(kind, READ_LOCK | WRITE_LOCK | UNLOCK) => Err(Errno::EINVAL),
        (Action::Test, UNLOCK) => Err(Errno::EINVAL),
        (Action::Test, _) => {
            let held = lock::conflict(node, Space::Records, &wanted);
            user.write(held.map_or(
                Flock {
                    kind: UNLOCK,
                    ..asked
                },
                |held| describe(&held),
            ))
            .map(|()| 0)
        }
        (Action::Set { .. }, UNLOCK) => {
            lock::release(node, Space::Records, wanted);
            Ok(0)
        }
        (Action::Set { wait }, kind) => {
            if kind == READ_LOCK {
                file.check_readable()
            } else {
                file.check_writable()
            }?;
            lock::acquire(node, Space::Records, wanted, wait).map(|()| 0)
        }
    }
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

fn ioctl(frame: &mut TrapFrame) -> Result<usize> {
    const FIONREAD: u32 = 0x541b;
    const FIONBIO: u32 = 0x5421;
    const FIONCLEX: u32 = 0x5450;
    const FIOCLEX: u32 = 0x5451;
    let (fd, request, argument) = (
        frame.argument(0) as Fd,
        frame.argument(1) as u32,
        frame.argument(2),
    );
    let file = real_file_at(frame, 0)?;
    match request {
        FIOCLEX => files().set_close_on_exec(fd, true).map(|()| 0),
        FIONCLEX => files().set_close_on_exec(fd, false).map(|()| 0),
        FIONBIO => {
            let on = UserPtr::<i32>::new(argument).read()? != 0;
            let mut flags = file.flags();
            flags.set(OpenFlags::NONBLOCK, on);
            file.set_flags(flags);
            Ok(0)
        }
        FIONREAD if file.metadata().file_type == FileType::Regular => {
            let left = file.metadata().size.saturating_sub(file.offset());
            UserPtr::<i32>::new(argument)
                .write(left.min(i32::MAX as u64) as i32)
                .map(|()| 0)
        }
        _ => file.file().ioctl(request, argument),
    }
}
