//! Making, running, ending and naming processes: clone, execve, exit, wait, process groups.

use super::Calls;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::{Caller, OpenFlags};
use crate::process::exec::{self, ARGUMENTS_LIMIT, Request, stack::Strings};
use crate::process::fork::{self, CloneArgs, CloneFlags};
use crate::process::inspect::Ids;
use crate::process::signal::SigInfo;
use crate::process::wait::{self, Options, Report, Which};
use crate::process::{
    current, exit, futex::robust, job_control, pidfd, process_by_pid, task_by_tid,
};
use crate::user_memory::{UserPtr, plain, read_c_bytes};
use core::sync::atomic::Ordering;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[
    (__NR_clone as usize, clone),
    (__NR_clone3 as usize, clone3),
    (__NR_execve as usize, execve),
    (__NR_execveat as usize, execveat),
    (__NR_exit as usize, exit_thread),
    (__NR_exit_group as usize, exit_group),
    (__NR_wait4 as usize, wait4),
    (__NR_waitid as usize, waitid),
    (__NR_getpid as usize, |_| Ok(current().pid() as usize)),
    (__NR_getppid as usize, |_| {
        Ok(current().process().parent_pid() as usize)
    }),
    (__NR_gettid as usize, |_| Ok(current().tid() as usize)),
    (__NR_set_tid_address as usize, set_tid_address),
    (__NR_set_robust_list as usize, set_robust_list),
    (__NR_get_robust_list as usize, get_robust_list),
    (__NR_setpgid as usize, setpgid),
    (__NR_getpgid as usize, getpgid),
    (__NR_setsid as usize, |_| {
        Ok(job_control::new_session()? as usize)
    }),
    (__NR_getsid as usize, getsid),
    (__NR_pidfd_open as usize, pidfd_open),
    (__NR_unshare as usize, unshare),
];

/// Flags of clone(2) that make namespaces, which this kernel does not have.
const NAMESPACES: u64 = (CLONE_NEWNS
    | CLONE_NEWCGROUP
    | CLONE_NEWUTS
    | CLONE_NEWIPC
    | CLONE_NEWUSER
    | CLONE_NEWPID
    | CLONE_NEWNET) as u64;

fn clone_flags(bits: u64) -> Result<CloneFlags> {
    if bits & NAMESPACES != 0 {
        return Err(Errno::EPERM);
    }
    CloneFlags::from_bits(bits).ok_or(Errno::EINVAL)
}

fn clone(registers: &mut TrapFrame) -> Result<usize> {
    let [flags, stack, parent_tid, tls, child_tid, ..] = registers.x;
    let args = CloneArgs {
        flags: clone_flags(flags & !u64::from(CSIGNAL))?,
        exit_signal: (flags & u64::from(CSIGNAL)) as u8,
        stack: stack as usize,
        tls,
        parent_tid: parent_tid as usize,
        child_tid: child_tid as usize,
        pidfd: parent_tid as usize,
    };
    if args
        .flags
        .contains(CloneFlags::PIDFD | CloneFlags::PARENT_SETTID)
    {
        return Err(Errno::EINVAL); // both would be written to the same place
    }
    fork::clone(registers, &args).map(|tid| tid as usize)
}

/// `struct clone_args`, up to the part of Linux 5.3.
#[repr(C)]
#[derive(Clone, Copy)]
struct UserCloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}
plain!(UserCloneArgs);

fn clone3(registers: &mut TrapFrame) -> Result<usize> {
    let (address, size) = (registers.argument(0), registers.argument(1));
    let known = size_of::<UserCloneArgs>();
    if size < known {
        return Err(Errno::EINVAL);
    }
    // Later fields (set_tid, cgroup) must be unused.
    for offset in (known..size.min(4096)).step_by(8) {
        if UserPtr::<u64>::new(address.wrapping_add(offset)).read()? != 0 {
            return Err(Errno::E2BIG);
        }
    }
    let user = UserPtr::<UserCloneArgs>::new(address).read()?;
    if user.exit_signal > 64 || (user.stack == 0) != (user.stack_size == 0) {
        return Err(Errno::EINVAL);
    }
    let args = CloneArgs {
        flags: clone_flags(user.flags)?,
        exit_signal: user.exit_signal as u8,
        stack: user.stack.wrapping_add(user.stack_size) as usize,
        tls: user.tls,
        parent_tid: user.parent_tid as usize,
        child_tid: user.child_tid as usize,
        pidfd: user.pidfd as usize,
    };
    fork::clone(registers, &args).map(|tid| tid as usize)
}

fn execve(registers: &mut TrapFrame) -> Result<usize> {
    let path = read_c_bytes(registers.argument(0), PATH_MAX as usize - 1)?;
    let file = Caller::current().open_program(None, &path, true)?;
    let (arguments, environment) = (registers.argument(1), registers.argument(2));
    run(registers, file, path, arguments, environment)
}

fn execveat(registers: &mut TrapFrame) -> Result<usize> {
    let fd = registers.argument(0) as i32;
    let path = read_c_bytes(registers.argument(1), PATH_MAX as usize - 1)?;
    let flags = registers.argument(4) as u32;
    if flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let caller = Caller::current();
    let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
    let file = if fd == AT_FDCWD || path.first() == Some(&b'/') {
        caller.open_program(None, &path, follow)?
    } else {
        let base = current().file(fd as u32)?;
        if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
            caller.check_program(&base.opened().ok_or(Errno::EACCES)?.place)?;
            base
        } else {
            caller.open_program(Some(base.directory()?), &path, follow)?
        }
    };
    let path = if path.first() == Some(&b'/') || fd == AT_FDCWD {
        path
    } else {
        descriptor_path(fd, &path)
    };
    let (arguments, environment) = (registers.argument(2), registers.argument(3));
    run(registers, file, path, arguments, environment)
}

/// How a program run by descriptor is called (execveat(2)).
fn descriptor_path(fd: i32, path: &[u8]) -> alloc::vec::Vec<u8> {
    let mut name = alloc::format!("/dev/fd/{fd}").into_bytes();
    if !path.is_empty() {
        name.push(b'/');
        name.extend_from_slice(path);
    }
    name
}

fn run(
    registers: &mut TrapFrame,
    file: alloc::sync::Arc<crate::fs::OpenFile>,
    path: alloc::vec::Vec<u8>,
    arguments: usize,
    environment: usize,
) -> Result<usize> {
    let mut room = ARGUMENTS_LIMIT;
    let mut arguments = read_strings(arguments, &mut room)?;
    let environment = read_strings(environment, &mut room)?;
    if arguments.count == 0 {
        arguments.push(b"")?; // as Linux since 5.18
    }
    exec::execute(
        registers,
        Request {
            file,
            path,
            arguments,
            environment,
        },
    )?;
    Ok(0)
}

/// A null-terminated array of strings; null is an empty one. `E2BIG` when `room` is used up.
fn read_strings(address: usize, room: &mut usize) -> Result<Strings> {
    const STRING_LIMIT: usize = 128 << 10;
    let mut strings = Strings::default();
    let pointers = UserPtr::<usize>::new(address);
    if pointers.is_null() {
        return Ok(strings);
    }
    loop {
        let pointer = pointers.element(strings.count).read()?;
        if pointer == 0 {
            return Ok(strings);
        }
        let string =
            read_c_bytes(pointer, STRING_LIMIT.min(*room)).map_err(|error| match error {
                Errno::ENAMETOOLONG => Errno::E2BIG,
                other => other,
            })?;
        let used = string.len() + 1 + size_of::<usize>();
        *room = room.checked_sub(used).ok_or(Errno::E2BIG)?;
        strings.push(&string)?;
    }
}

fn exit_thread(registers: &mut TrapFrame) -> Result<usize> {
    exit::exit_thread(registers.argument(0) as u8);
    Ok(0)
}

fn exit_group(registers: &mut TrapFrame) -> Result<usize> {
    exit::exit_group(registers.argument(0) as u8);
    Ok(0)
}

fn wait4(registers: &mut TrapFrame) -> Result<usize> {
    let pid = registers.argument(0) as i32;
    let allowed = Options::NOHANG
        | Options::STOPPED
        | Options::CONTINUED
        | Options::NOTHREAD
        | Options::ALL
        | Options::CLONE;
    let options = Options::from_bits(registers.argument(2) as u32).ok_or(Errno::EINVAL)?;
    if !allowed.contains(options) {
        return Err(Errno::EINVAL);
    }
    let which = match pid {
        -1 => Which::Any,
        0 => Which::Group(current().process().group_id()),
        i32::MIN => return Err(Errno::ESRCH),
        pid if pid < 0 => Which::Group(pid.unsigned_abs()),
        pid => Which::Pid(pid as u32),
    };
    let Some(report) = wait::wait(&which, options | Options::EXITED)? else {
        return Ok(0);
    };
    if let Some(status) = UserPtr::<u32>::new(registers.argument(1)).optional() {
        status.write(report.status_word)?;
    }
    write_usage(registers.argument(3), &report)?;
    Ok(report.pid as usize)
}

fn waitid(registers: &mut TrapFrame) -> Result<usize> {
    let id = registers.argument(1) as u32;
    let options = Options::from_bits(registers.argument(3) as u32).ok_or(Errno::EINVAL)?;
    if !options.intersects(Options::EXITED | Options::STOPPED | Options::CONTINUED) {
        return Err(Errno::EINVAL);
    }
    let which = match registers.argument(0) as u32 {
        P_ALL => Which::Any,
        P_PID => Which::Pid(id),
        P_PGID if id == 0 => Which::Group(current().process().group_id()),
        P_PGID => Which::Group(id),
        P_PIDFD => Which::Exactly(pidfd::process(&current().files(), id)?),
        _ => return Err(Errno::EINVAL),
    };
    let report = wait::wait(&which, options)?;
    if let Some(info) = UserPtr::<SigInfo>::new(registers.argument(2)).optional() {
        info.write(report.map_or(SigInfo::empty(), |report| report.info))?;
    }
    if let Some(report) = &report {
        write_usage(registers.argument(4), report)?;
    }
    Ok(0)
}

const P_ALL: u32 = 0;
const P_PID: u32 = 1;
const P_PGID: u32 = 2;
const P_PIDFD: u32 = 3;

fn write_usage(address: usize, report: &Report) -> Result<()> {
    match UserPtr::new(address).optional() {
        Some(usage) => usage.write(super::system::resources::ResourceUsage::of_times(
            report.times,
        )),
        None => Ok(()),
    }
}

fn set_tid_address(registers: &mut TrapFrame) -> Result<usize> {
    let current = current();
    current
        .clear_child_tid
        .store(registers.argument(0), Ordering::Relaxed);
    Ok(current.tid() as usize)
}

fn set_robust_list(registers: &mut TrapFrame) -> Result<usize> {
    if registers.argument(1) != robust::HEAD_SIZE {
        return Err(Errno::EINVAL);
    }
    current()
        .robust_list
        .store(registers.argument(0), Ordering::Relaxed);
    Ok(0)
}

fn get_robust_list(registers: &mut TrapFrame) -> Result<usize> {
    let head = match registers.argument(0) as u32 {
        0 => current().robust_list.load(Ordering::Relaxed),
        tid => {
            let task = task_by_tid(tid)?;
            if !current().may_inspect(&task, Ids::Real) {
                return Err(Errno::EPERM);
            }
            task.robust_list.load(Ordering::Relaxed)
        }
    };
    UserPtr::<usize>::new(registers.argument(1)).write(head)?;
    UserPtr::<usize>::new(registers.argument(2)).write(robust::HEAD_SIZE)?;
    Ok(0)
}

fn setpgid(registers: &mut TrapFrame) -> Result<usize> {
    let (pid, group) = (registers.argument(0) as i32, registers.argument(1) as i32);
    if pid < 0 || group < 0 {
        return Err(Errno::EINVAL);
    }
    job_control::set_group(pid as u32, group as u32)?;
    Ok(0)
}

fn getpgid(registers: &mut TrapFrame) -> Result<usize> {
    Ok(named(registers.argument(0) as u32)?.group_id() as usize)
}

fn getsid(registers: &mut TrapFrame) -> Result<usize> {
    Ok(named(registers.argument(0) as u32)?.session_id() as usize)
}

/// A process by pid, the caller's for 0.
fn named(pid: u32) -> Result<alloc::sync::Arc<crate::process::Process>> {
    match pid {
        0 => Ok(current().process().clone()),
        pid => process_by_pid(pid),
    }
}

fn pidfd_open(registers: &mut TrapFrame) -> Result<usize> {
    let (pid, flags) = (registers.argument(0) as i32, registers.argument(1) as u32);
    let flags = OpenFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
    if pid <= 0 || !OpenFlags::NONBLOCK.contains(flags) {
        return Err(Errno::EINVAL);
    }
    let process = process_by_pid(pid as u32)?;
    pidfd::open(&current().files(), process, flags).map(|fd| fd as usize)
}

fn unshare(registers: &mut TrapFrame) -> Result<usize> {
    let flags = clone_flags(registers.argument(0) as u64)?;
    if !(CloneFlags::FILES | CloneFlags::FS | CloneFlags::SYSVSEM).contains(flags) {
        return Err(Errno::EINVAL);
    }
    fork::unshare(flags)?;
    Ok(0)
}
