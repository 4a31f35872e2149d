//! System calls on files, a family of them per file below; the work is done in [`crate::fs`].

mod attributes;
mod control;
mod descriptors;
mod locks;
mod mounts;
mod owner;
mod splice;
mod status;
mod transfer;
mod tree;
mod vectors;
mod xattr;

use super::Calls;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::mount::PATH_MAX;
use crate::fs::operations::Found;
use crate::fs::{Caller, Fd, FileTable, Location, OpenFile};
use crate::process;
use crate::user_memory::read_c_bytes;
use alloc::sync::Arc;
use alloc::vec::Vec;

const FAMILIES: &[&Calls] = &[
    attributes::CALLS,
    control::CALLS,
    descriptors::CALLS,
    locks::CALLS,
    mounts::CALLS,
    splice::CALLS,
    status::CALLS,
    transfer::CALLS,
    tree::CALLS,
    vectors::CALLS,
    xattr::CALLS,
];

/// The calls of all families in one table.
pub const CALLS: &Calls = &{
    let mut calls = [FAMILIES[0][0]; count(FAMILIES)];
    let (mut family, mut at) = (0, 0);
    while family < FAMILIES.len() {
        let mut index = 0;
        while index < FAMILIES[family].len() {
            calls[at] = FAMILIES[family][index];
            (index, at) = (index + 1, at + 1);
        }
        family += 1;
    }
    calls
};

const fn count(families: &[&Calls]) -> usize {
    let (mut family, mut count) = (0, 0);
    while family < families.len() {
        count += families[family].len();
        family += 1;
    }
    count
}

/// `AT_FDCWD`: relative to the working directory.
const AT_FDCWD: i32 = -100;
const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
const AT_REMOVEDIR: u32 = 0x200;
const AT_EACCESS: u32 = 0x200;
const AT_SYMLINK_FOLLOW: u32 = 0x400;
const AT_NO_AUTOMOUNT: u32 = 0x800;
const AT_EMPTY_PATH: u32 = 0x1000;

fn files() -> Arc<FileTable> {
    process::current().files()
}

/// The open file of the descriptor in argument `index`.
fn file_at(frame: &TrapFrame, index: usize) -> Result<Arc<OpenFile>> {
    process::current().file(frame.argument(index) as Fd)
}

/// As [`file_at`], for calls that an `O_PATH` descriptor does not take.
fn real_file_at(frame: &TrapFrame, index: usize) -> Result<Arc<OpenFile>> {
    let file = file_at(frame, index)?;
    if file.flags().contains(crate::fs::OpenFlags::PATH) {
        Err(Errno::EBADF)
    } else {
        Ok(file)
    }
}

/// The path in argument `index`.
fn path_at(frame: &TrapFrame, index: usize) -> Result<Vec<u8>> {
    read_c_bytes(frame.argument(index), PATH_MAX - 1)
}

/// Where a relative `path` starts: the directory `dirfd` names, `None` for the working directory.
fn base(dirfd: usize, path: &[u8]) -> Result<Option<Location>> {
    if dirfd as i32 == AT_FDCWD || path.first() == Some(&b'/') {
        return Ok(None);
    }
    process::current()
        .file(dirfd as Fd)?
        .directory()
        .cloned()
        .map(Some)
}

/// What a call with `AT_EMPTY_PATH` is about: a place, or an open file without one.
enum Target {
    Place(Location),
    File(Arc<OpenFile>),
}

/// The target of `dirfd` (argument `first`) and path (the one after) under `flags`.
fn target_at(caller: &Caller, frame: &TrapFrame, first: usize, flags: u32) -> Result<Target> {
    let dirfd = frame.argument(first);
    // Since Linux 6.11 a null path stands for the empty one.
    let null = frame.argument(first + 1) == 0 && flags & AT_EMPTY_PATH != 0;
    let path = if null {
        Vec::new()
    } else {
        path_at(frame, first + 1)?
    };
    if !path.is_empty() || flags & AT_EMPTY_PATH == 0 {
        let base = base(dirfd, &path)?;
        let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
        return Ok(match caller.look_up(base.as_ref(), &path, follow)? {
            Found::Place(place) => Target::Place(place),
            Found::Open(file) => Target::File(file),
        });
    }
    if dirfd as i32 == AT_FDCWD {
        return Ok(Target::Place(caller.places.working_directory.clone()));
    }
    let file = process::current().file(dirfd as Fd)?;
    Ok(match file.opened() {
        Some(opened) => Target::Place(opened.place.clone()),
        None => Target::File(file),
    })
}

/// As [`target_at`], for calls that need a place in a file system.
fn place_at(caller: &Caller, frame: &TrapFrame, first: usize, flags: u32) -> Result<Location> {
    match target_at(caller, frame, first, flags)? {
        Target::Place(place) => Ok(place),
        Target::File(_) => Err(Errno::EINVAL),
    }
}

/// The place of an open file, for `f*` calls that change it.
fn place_of(file: &OpenFile) -> Result<Location> {
    file.opened()
        .map(|opened| opened.place.clone())
        .ok_or(Errno::EINVAL)
}

/// `EINVAL` if `flags` has bits other than `known`.
fn check_flags(flags: u32, known: u32) -> Result<()> {
    if flags & !known == 0 {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}
