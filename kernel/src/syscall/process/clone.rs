//! clone(2), clone3(2), unshare(2).

use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::fork::{self, CloneArgs, CloneFlags};
use crate::user_memory::{UserPtr, plain};
use linux_raw_sys::general::*;

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

pub(super) fn clone(registers: &mut TrapFrame) -> Result<usize> {
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

pub(super) fn clone3(registers: &mut TrapFrame) -> Result<usize> {
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

pub(super) fn unshare(registers: &mut TrapFrame) -> Result<usize> {
    let flags = clone_flags(registers.argument(0) as u64)?;
    if !(CloneFlags::FILES | CloneFlags::FS | CloneFlags::SYSVSEM).contains(flags) {
        return Err(Errno::EINVAL);
    }
    fork::unshare(flags)?;
    Ok(0)
}
