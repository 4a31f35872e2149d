//! The file tree: making, moving and removing names, listing, the working directory.

use super::{
    AT_EMPTY_PATH, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, base, check_flags, file_at, path_at, place_of,
    real_file_at,
};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::node::{DeviceNumber, Entry, NewNode, RenameMode, Visit};
use crate::fs::{Caller, Location};
use crate::process;
use crate::process::credentials::Capabilities;
use crate::syscall::Calls;
use crate::user_memory::copy_out;
use alloc::vec::Vec;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[
    (__NR_getcwd as usize, getcwd),
    (__NR_mknodat as usize, mknodat),
    (__NR_mkdirat as usize, mkdirat),
    (__NR_unlinkat as usize, unlinkat),
    (__NR_symlinkat as usize, symlinkat),
    (__NR_linkat as usize, linkat),
    (__NR_renameat as usize, renameat),
    (__NR_chdir as usize, chdir),
    (__NR_fchdir as usize, fchdir),
    (__NR_chroot as usize, chroot),
    (__NR_getdents64 as usize, getdents64),
    (__NR_readlinkat as usize, readlinkat),
    (__NR_renameat2 as usize, renameat2),
];

/// The most of a listing that one call gives.
const LISTING: usize = 32 * 1024;

fn mkdirat(frame: &mut TrapFrame) -> Result<usize> {
    let path = path_at(frame, 1)?;
    let base = base(frame.argument(0), &path)?;
    let permissions = frame.argument(2) as u16 & 0o1777;
    Caller::current()
        .make(base.as_ref(), &path, NewNode::Directory, permissions)
        .map(|_| 0)
}

fn mknodat(frame: &mut TrapFrame) -> Result<usize> {
    let path = path_at(frame, 1)?;
    let base = base(frame.argument(0), &path)?;
    let (mode, device) = (
        frame.argument(2) as u32,
        DeviceNumber::decode(frame.argument(3) as u64),
    );
    let what = match mode >> 12 {
        0 | 0o10 => NewNode::Regular,
        0o01 => NewNode::Fifo,
        0o02 => NewNode::CharDevice(device),
        0o06 => NewNode::BlockDevice(device),
        0o14 => NewNode::Socket,
        0o04 => return Err(Errno::EPERM),
        _ => return Err(Errno::EINVAL),
    };
    Caller::current()
        .make(base.as_ref(), &path, what, mode as u16 & 0o7777)
        .map(|_| 0)
}

fn symlinkat(frame: &mut TrapFrame) -> Result<usize> {
    let (text, path) = (path_at(frame, 0)?, path_at(frame, 2)?);
    if text.is_empty() {
        return Err(Errno::ENOENT);
    }
    let base = base(frame.argument(1), &path)?;
    Caller::current()
        .make(base.as_ref(), &path, NewNode::Symlink(&text), 0o777)
        .map(|_| 0)
}

fn linkat(frame: &mut TrapFrame) -> Result<usize> {
    let flags = frame.argument(4) as u32;
    check_flags(flags, AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)?;
    let (old, new) = (path_at(frame, 1)?, path_at(frame, 3)?);
    let new_base = base(frame.argument(2), &new)?;
    let caller = Caller::current();
    if old.is_empty() && flags & AT_EMPTY_PATH != 0 {
        let place = place_of(&*file_at(frame, 0)?)?;
        return caller
            .link_place(&place, (new_base.as_ref(), &new))
            .map(|()| 0);
    }
    let old_base = base(frame.argument(0), &old)?;
    let follow = flags & AT_SYMLINK_FOLLOW != 0;
    caller
        .link((old_base.as_ref(), &old), follow, (new_base.as_ref(), &new))
        .map(|()| 0)
}

fn unlinkat(frame: &mut TrapFrame) -> Result<usize> {
    let flags = frame.argument(2) as u32;
    check_flags(flags, AT_REMOVEDIR)?;
    let path = path_at(frame, 1)?;
    let base = base(frame.argument(0), &path)?;
    let caller = Caller::current();
    match flags & AT_REMOVEDIR != 0 {
        true => caller.rmdir(base.as_ref(), &path),
        false => caller.unlink(base.as_ref(), &path),
    }?;
    Ok(0)
}

fn renameat(frame: &mut TrapFrame) -> Result<usize> {
    rename(frame, RenameMode::Replace)
}

fn renameat2(frame: &mut TrapFrame) -> Result<usize> {
    match frame.argument(4) as u32 {
        0 => rename(frame, RenameMode::Replace),
        1 => rename(frame, RenameMode::KeepTarget),
        2 => rename(frame, RenameMode::Exchange),
        _ => Err(Errno::EINVAL),
    }
}

fn rename(frame: &TrapFrame, mode: RenameMode) -> Result<usize> {
    let (old, new) = (path_at(frame, 1)?, path_at(frame, 3)?);
    let (from, to) = (
        base(frame.argument(0), &old)?,
        base(frame.argument(2), &new)?,
    );
    Caller::current()
        .rename((from.as_ref(), &old), (to.as_ref(), &new), mode)
        .map(|()| 0)
}

fn readlinkat(frame: &mut TrapFrame) -> Result<usize> {
    let path = path_at(frame, 1)?;
    let size = frame.argument(3);
    if size as i32 <= 0 {
        return Err(Errno::EINVAL);
    }
    let text = if path.is_empty() {
        // The descriptor itself is a link opened with O_PATH | O_NOFOLLOW.
        place_of(&*file_at(frame, 0)?)?
            .node
            .readlink()
            .map_err(|_| Errno::ENOENT)?
    } else {
        let base = base(frame.argument(0), &path)?;
        Caller::current().readlink(base.as_ref(), &path)?
    };
    let count = text.len().min(size);
    copy_out(frame.argument(2), &text[..count])?;
    Ok(count)
}

fn getcwd(frame: &mut TrapFrame) -> Result<usize> {
    let caller = Caller::current();
    let (here, root) = (&caller.places.working_directory, &caller.places.root);
    let mut path = match here.path_below(root)? {
        Some(path) => path,
        None => [b"(unreachable)", &here.path(root)?[..]].concat(),
    };
    path.push(0);
    if path.len() > frame.argument(1) {
        return Err(Errno::ERANGE);
    }
    copy_out(frame.argument(0), &path)?;
    Ok(path.len())
}

fn chdir(frame: &mut TrapFrame) -> Result<usize> {
    let path = path_at(frame, 0)?;
    let caller = Caller::current();
    let place = caller.find(None, &path, true)?;
    enter(&caller, place)
}

fn fchdir(frame: &mut TrapFrame) -> Result<usize> {
    let place = file_at(frame, 0)?.directory()?.clone();
    enter(&Caller::current(), place)
}

fn enter(caller: &Caller, place: Location) -> Result<usize> {
    caller.check_directory(&place)?;
    process::current().fs().set_working_directory(place);
    Ok(0)
}

fn chroot(frame: &mut TrapFrame) -> Result<usize> {
    let path = path_at(frame, 0)?;
    let caller = Caller::current();
    let place = caller.find(None, &path, true)?;
    caller.check_directory(&place)?;
    if !caller.credentials.has(Capabilities::SYS_CHROOT) {
        return Err(Errno::EPERM);
    }
    process::current().fs().set_root(place);
    Ok(0)
}

fn getdents64(frame: &mut TrapFrame) -> Result<usize> {
    let file = real_file_at(frame, 0)?;
    let node = file.directory()?.node.clone();
    let room = frame.argument(2).min(LISTING);
    file.with_offset(|offset| {
        let (mut records, mut next, mut full) = (Vec::with_capacity(room), *offset, false);
        node.readdir(*offset, &mut |entry| {
            full = !push_record(&mut records, room, &entry);
            if full {
                return Visit::Full;
            }
            next = entry.next;
            Visit::Continue
        })?;
        if records.is_empty() && full {
            return Err(Errno::EINVAL);
        }
        copy_out(frame.argument(1), &records)?;
        *offset = next;
        Ok(records.len())
    })
}

/// Appends a `struct linux_dirent64`; `false` if there is no room for it.
fn push_record(records: &mut Vec<u8>, room: usize, entry: &Entry<'_>) -> bool {
    const NAME_AT: usize = 19;
    let length = (NAME_AT + entry.name.len() + 1).next_multiple_of(8);
    if records.len() + length > room {
        return false;
    }
    let end = records.len() + length;
    records.extend_from_slice(&entry.inode.to_le_bytes());
    records.extend_from_slice(&entry.next.to_le_bytes());
    records.extend_from_slice(&(length as u16).to_le_bytes());
    records.push(entry.file_type as u8);
    records.extend_from_slice(entry.name);
    records.resize(end, 0);
    true
}
