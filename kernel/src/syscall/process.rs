//! Making, running, ending and naming processes: clone, execve and wait in files of their own; exit,
//! process groups and sessions, what a thread registers for its end.

mod clone;
mod exec;
mod wait;

use super::Calls;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::OpenFlags;
use crate::process::inspect::Ids;
use crate::process::{
    Process, current, exit, futex::robust, job_control, pidfd, process_by_pid, task_by_tid,
};
use crate::user_memory::UserPtr;
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[
    (__NR_clone as usize, clone::clone),
    (__NR_clone3 as usize, clone::clone3),
    (__NR_execve as usize, exec::execve),
    (__NR_execveat as usize, exec::execveat),
    (__NR_exit as usize, exit_thread),
    (__NR_exit_group as usize, exit_group),
    (__NR_wait4 as usize, wait::wait4),
    (__NR_waitid as usize, wait::waitid),
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
    (__NR_unshare as usize, clone::unshare),
];

fn exit_thread(registers: &mut TrapFrame) -> Result<usize> {
    exit::exit_thread(registers.argument(0) as u8);
    Ok(0)
}

fn exit_group(registers: &mut TrapFrame) -> Result<usize> {
    exit::exit_group(registers.argument(0) as u8);
    Ok(0)
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
fn named(pid: u32) -> Result<Arc<Process>> {
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
