//! fcntl and ioctl.

use super::{file_at, files, locks, owner, real_file_at};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::tmpfs::contents::Seals;
use crate::fs::tmpfs::inode::Inode;
use crate::fs::{Fd, FileType, OpenFile, OpenFlags};
use crate::syscall::Calls;
use crate::user_memory::UserPtr;
use alloc::sync::Arc;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[(__NR_fcntl as usize, fcntl), (__NR_ioctl as usize, ioctl)];

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
            let flags = OpenFlags::from_bits_retain(argument as u32);
            file.set_flags(flags);
            match file.set_signalled(fd, flags.contains(OpenFlags::ASYNC)) {
                Err(Errno::ENOTTY) => Ok(0), // the flag stays off, as F_GETFL shows
                result => result.map(|()| 0),
            }
        }
        ADD_SEALS => {
            file.check_writable().map_err(|_| Errno::EPERM)?;
            let seals = Seals::from_bits(argument as u32).ok_or(Errno::EINVAL)?;
            memory_file(&file)?.contents()?.add_seals(seals).map(|()| 0)
        }
        GET_SEALS => Ok(memory_file(&file)?.contents()?.seals().bits() as usize),
        _ if let Some(result) = owner::control(&file, command, argument) => result,
        _ => match locks::command(command) {
            Some(wanted) => locks::record_lock(&file, wanted, UserPtr::new(argument)),
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

fn ioctl(frame: &mut TrapFrame) -> Result<usize> {
    const FIONREAD: u32 = 0x541b;
    const FIONBIO: u32 = 0x5421;
    const FIOASYNC: u32 = 0x5452;
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
        FIOASYNC => {
            let on = UserPtr::<i32>::new(argument).read()? != 0;
            file.set_signalled(fd, on).map(|()| 0)
        }
        FIONREAD if file.metadata().file_type == FileType::Regular => {
            let left = file.metadata().size.saturating_sub(file.offset());
            UserPtr::<i32>::new(argument)
                .write(left.min(i32::MAX as u64) as i32)
                .map(|()| 0)
        }
        _ => owner_request(&file, request, argument)
            .unwrap_or_else(|| file.file().ioctl(request, argument)),
    }
}

fn owner_request(file: &OpenFile, request: u32, argument: usize) -> Option<Result<usize>> {
    let is_socket = file.metadata().file_type == FileType::Socket;
    is_socket.then(|| owner::ioctl(file, request, argument))?
}
