//! Who is told by a signal when a file is ready (`F_SETOWN`, `F_SETSIG`; fcntl(2)).

use crate::error::{Errno, Result};
use crate::fs::OpenFile;
use crate::fs::signalled::Owner;
use crate::process::signal::Signal;
use crate::process::{Process, current, process_by_pid, table, task_by_tid};
use crate::user_memory::{UserPtr, plain};
use alloc::sync::{Arc, Weak};
use linux_raw_sys::general::*;

/// `struct f_owner_ex`.
#[repr(C)]
#[derive(Clone, Copy)]
struct OwnerEx {
    kind: u32,
    number: i32,
}
plain!(OwnerEx);

const THREAD: u32 = 0;
const PROCESS: u32 = 1;
const GROUP: u32 = 2;

/// The commands of this kind; `None` if `command` is another.
pub fn control(file: &OpenFile, command: u32, argument: usize) -> Option<Result<usize>> {
    Some(match command {
        F_SETOWN => set_by_sign(file, argument as i32),
        F_GETOWN => Ok(by_sign(file) as isize as usize),
        F_SETOWN_EX => UserPtr::<OwnerEx>::new(argument)
            .read()
            .and_then(|wanted| set(file, wanted)),
        F_GETOWN_EX => UserPtr::new(argument).write(get(file)).map(|()| 0),
        F_SETSIG => set_signal(file, argument),
        F_GETSIG => Ok(signal(file)),
        _ => return None,
    })
}

/// The ioctl(2) requests of sockets that do the same.
pub fn ioctl(file: &OpenFile, request: u32, argument: usize) -> Option<Result<usize>> {
    const FIOSETOWN: u32 = 0x8901;
    const SIOCSPGRP: u32 = 0x8902;
    const FIOGETOWN: u32 = 0x8903;
    const SIOCGPGRP: u32 = 0x8904;
    let pointer = UserPtr::<i32>::new(argument);
    Some(match request {
        FIOSETOWN | SIOCSPGRP => pointer.read().and_then(|number| set_by_sign(file, number)),
        FIOGETOWN | SIOCGPGRP => pointer.write(by_sign(file)).map(|()| 0),
        _ => return None,
    })
}

fn set_by_sign(file: &OpenFile, number: i32) -> Result<usize> {
    let kind = if number < 0 { GROUP } else { PROCESS };
    let number = number.checked_abs().ok_or(Errno::EINVAL)?;
    set(file, OwnerEx { kind, number })
}

fn set(file: &OpenFile, wanted: OwnerEx) -> Result<usize> {
    let number = wanted.number as u32;
    let owner = match wanted.kind {
        THREAD | PROCESS | GROUP if number == 0 => Owner::Nobody,
        THREAD => Owner::Thread(Arc::downgrade(&task_by_tid(number)?)),
        PROCESS => Owner::Process(Arc::downgrade(&process_by_pid(number)?)),
        GROUP => Owner::Group(table::group_id(number)?),
        _ => return Err(Errno::EINVAL),
    };
    file.signalled().set_owner(owner, current().credentials());
    Ok(0)
}

fn get(file: &OpenFile) -> OwnerEx {
    let (kind, number) = match file.owner() {
        Owner::Nobody => (PROCESS, 0),
        Owner::Thread(task) => (THREAD, task.upgrade().map_or(0, |task| task.tid())),
        Owner::Process(process) => (PROCESS, pid_of(&process).unwrap_or(0)),
        Owner::Group(group) => (GROUP, group.number().unwrap_or(0)),
    };
    OwnerEx {
        kind,
        number: number as i32,
    }
}

/// The pid of a process that has not been waited for.
fn pid_of(process: &Weak<Process>) -> Option<u32> {
    let process = process.upgrade()?;
    let known = process_by_pid(process.pid()).ok()?;
    Arc::ptr_eq(&known, &process).then(|| known.pid())
}

fn by_sign(file: &OpenFile) -> i32 {
    match get(file) {
        OwnerEx {
            kind: GROUP,
            number,
        } => -number,
        OwnerEx { number, .. } => number,
    }
}

fn set_signal(file: &OpenFile, number: usize) -> Result<usize> {
    let signal = match number {
        0 => None,
        number => Some(Signal::new(number)?),
    };
    file.signalled().set_signal(signal);
    Ok(0)
}

fn signal(file: &OpenFile) -> usize {
    let signal = file.try_signalled().and_then(|it| it.signal());
    signal.map_or(0, |signal| signal.number().into())
}
