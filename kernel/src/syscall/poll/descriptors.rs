//! Calls that make pipes, event and signal descriptors.

use super::{check_set_size, creation_flags, file_as, insert};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::eventfd::EventFd;
use crate::fs::signalfd::SignalFd;
use crate::fs::{OpenFlags, pipe};
use crate::process::{SignalSet, current};
use crate::user_memory::UserPtr;
use linux_raw_sys::general::*;

pub fn pipe2(registers: &mut TrapFrame) -> Result<usize> {
    let flags = creation_flags(registers.argument(1), 0)?;
    let close_on_exec = flags.contains(OpenFlags::CLOEXEC);
    let (reader, writer) = pipe::new(flags - OpenFlags::CLOEXEC);
    let files = current().files();
    let reader_fd = files.insert(reader, close_on_exec)?;
    let writer_fd = match files.insert(writer, close_on_exec) {
        Ok(fd) => fd,
        Err(error) => {
            drop(files.remove(reader_fd));
            return Err(error);
        }
    };
    let written = UserPtr::<[u32; 2]>::new(registers.argument(0)).write([reader_fd, writer_fd]);
    if let Err(error) = written {
        drop(files.remove(reader_fd));
        drop(files.remove(writer_fd));
        return Err(error);
    }
    Ok(0)
}

pub fn eventfd2(registers: &mut TrapFrame) -> Result<usize> {
    let flags = creation_flags(registers.argument(1), EFD_SEMAPHORE)?;
    let semaphore = registers.argument(1) as u32 & EFD_SEMAPHORE != 0;
    let initial = u64::from(registers.argument(0) as u32);
    insert(
        EventFd::open(initial, semaphore, flags - OpenFlags::CLOEXEC),
        flags,
    )
}

pub fn signalfd4(registers: &mut TrapFrame) -> Result<usize> {
    check_set_size(registers.argument(2))?;
    let flags = creation_flags(registers.argument(3), 0)?;
    let wanted = UserPtr::<SignalSet>::new(registers.argument(1)).read()?;
    let fd = registers.argument(0) as i32;
    if fd == -1 {
        return insert(SignalFd::open(wanted, flags - OpenFlags::CLOEXEC), flags);
    }
    file_as::<SignalFd>(fd as usize, Errno::EINVAL)?.set_wanted(wanted);
    Ok(fd as usize)
}
