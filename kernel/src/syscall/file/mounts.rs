//! mount(2) and umount2(2).

use super::path_at;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::mount::{MountFlags, PATH_MAX};
use crate::fs::{Caller, Location, mount, new_file_system};
use crate::process::credentials::Capabilities;
use crate::syscall::Calls;
use crate::user_memory::{UserPtr, read_c_bytes, read_c_string};
use alloc::string::String;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[
    (__NR_umount2 as usize, umount2),
    (__NR_mount as usize, mount_call),
];

const REMOUNT: usize = 32;
const BIND: usize = 4096;
const RECURSIVE: usize = 16384;
/// MS_MANDLOCK, MS_NOSYMFOLLOW, MS_MOVE, MS_UNBINDABLE, MS_SLAVE, MS_SHARED.
const UNSUPPORTED: usize = 64 | 256 | 8192 | 1 << 17 | 1 << 19 | 1 << 20;
/// MS_PRIVATE: what every mount is anyway.
const PRIVATE: usize = 1 << 18;

fn privileged() -> Result<Caller> {
    let caller = Caller::current();
    if caller.credentials.has(Capabilities::SYS_ADMIN) {
        Ok(caller)
    } else {
        Err(Errno::EPERM)
    }
}

fn mount_call(frame: &mut TrapFrame) -> Result<usize> {
    let caller = privileged()?;
    let flags = frame.argument(3);
    let target = caller.find(None, &path_at(frame, 1)?, true)?;
    if flags & UNSUPPORTED != 0 || flags & (BIND | RECURSIVE) == BIND | RECURSIVE {
        return Err(Errno::EINVAL);
    }
    if flags & REMOUNT != 0 {
        return remount(&target, flags);
    }
    if flags & PRIVATE != 0 {
        return if target.is_mount_root() {
            Ok(0)
        } else {
            Err(Errno::EINVAL)
        };
    }
    let mounted = if flags & BIND != 0 {
        bind(&caller, frame, target)?
    } else {
        mount_new(frame, target)?
    };
    mounted.mount.set_flags(forbidden(flags));
    Ok(0)
}

fn forbidden(flags: usize) -> MountFlags {
    MountFlags::from_bits_truncate(flags as u32)
}

fn remount(target: &Location, flags: usize) -> Result<usize> {
    if !target.is_mount_root() {
        return Err(Errno::EINVAL);
    }
    target.mount.set_flags(forbidden(flags));
    Ok(0)
}

fn bind(caller: &Caller, frame: &TrapFrame, target: Location) -> Result<Location> {
    let from = caller.find(None, &path_at(frame, 0)?, true)?;
    let source = from.mount.source.clone();
    mount::attach(
        from.mount.file_system.clone(),
        from.node.clone(),
        Some(target),
        source,
    )
}

fn mount_new(frame: &TrapFrame, target: Location) -> Result<Location> {
    let kind = read_c_string(frame.argument(2), 64)?;
    let options = match UserPtr::<u8>::new(frame.argument(4)).optional() {
        Some(options) => read_c_string(options.address(), PATH_MAX - 1)?,
        None => String::new(),
    };
    let file_system = new_file_system(&kind, &options)?;
    let source = match UserPtr::<u8>::new(frame.argument(0)).optional() {
        Some(source) => String::from_utf8_lossy(&read_c_bytes(source.address(), 255)?).into_owned(),
        None => kind,
    };
    let root = file_system.root();
    mount::attach(file_system, root, Some(target), source)
}

fn umount2(frame: &mut TrapFrame) -> Result<usize> {
    const FORCE: u32 = 1;
    const DETACH: u32 = 2;
    const NO_FOLLOW: u32 = 8;
    let flags = frame.argument(1) as u32;
    super::check_flags(flags, FORCE | DETACH | NO_FOLLOW)?;
    let place = privileged()?.find(None, &path_at(frame, 0)?, flags & NO_FOLLOW == 0)?;
    mount::detach(place, flags & DETACH != 0).map(|()| 0)
}
