//! Requests about files by their names.

use crate::attributes::{self, ATTRIBUTES, Attributes};
use crate::files::NAME;
use crate::status::{Failure, success};
use crate::wire::{Reader, Reply};
use libc::AT_FDCWD;
use nix::NixPath;
use nix::errno::Errno;
use nix::sys::statvfs::{FsFlags, Statvfs};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

pub const EXTENDED_REPLY: u8 = 201;

type Result<T = Reply> = std::result::Result<T, Failure>;

/// Of what a link leads to.
pub fn attributes(id: u32, from: &mut Reader) -> Result {
    let known = fs::metadata(from.path()?)?;
    Ok(attributes::write(Reply::new(ATTRIBUTES, id), &known))
}

/// Of the link itself.
pub fn link_attributes(id: u32, from: &mut Reader) -> Result {
    let known = fs::symlink_metadata(from.path()?)?;
    Ok(attributes::write(Reply::new(ATTRIBUTES, id), &known))
}

pub fn set_attributes(id: u32, from: &mut Reader) -> Result {
    let path = from.path()?;
    Attributes::read(from)?.apply(path)?;
    Ok(success(id))
}

pub fn remove(id: u32, from: &mut Reader) -> Result {
    fs::remove_file(from.path()?)?;
    Ok(success(id))
}

pub fn make_folder(id: u32, from: &mut Reader) -> Result {
    let path = from.path()?;
    let mode = Attributes::read(from)?.mode(0o777);
    fs::DirBuilder::new().mode(mode).create(path)?;
    Ok(success(id))
}

pub fn remove_folder(id: u32, from: &mut Reader) -> Result {
    fs::remove_dir(from.path()?)?;
    Ok(success(id))
}

/// The absolute path without links. Its last part need not exist: clients ask before they make it.
pub fn real_path(id: u32, from: &mut Reader) -> Result {
    let path = from.path()?;
    let real = match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => beside(path).ok_or(error)?,
        other => other?,
    };
    Ok(one_name(id, &real))
}

fn beside(path: &Path) -> Option<PathBuf> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = fs::canonicalize(folder.unwrap_or(Path::new("."))).ok()?;
    Some(folder.join(path.file_name()?))
}

pub fn read_link(id: u32, from: &mut Reader) -> Result {
    Ok(one_name(id, &fs::read_link(from.path()?)?))
}

fn one_name(id: u32, path: &Path) -> Reply {
    let name = path.as_os_str().as_bytes();
    attributes::write_none(Reply::new(NAME, id).u32(1).string(name).string(name))
}

/// The target comes first, as OpenSSH's clients and server have it; the draft says otherwise.
pub fn link_symbolically(id: u32, from: &mut Reader) -> Result {
    let (target, link) = (from.path()?, from.path()?);
    std::os::unix::fs::symlink(target, link)?;
    Ok(success(id))
}

pub fn link(id: u32, from: &mut Reader) -> Result {
    let (old, new) = (from.path()?, from.path()?);
    fs::hard_link(old, new)?;
    Ok(success(id))
}

/// Version 3's renaming does not replace (section 6.5); `replace` does.
pub fn rename(id: u32, from: &mut Reader) -> Result {
    let (old, new) = (from.path()?, from.path()?);
    let outcome = old.with_nix_path(|old| {
        new.with_nix_path(|new| {
            let (old, new) = (old.as_ptr(), new.as_ptr());
            let (call, flags) = (libc::SYS_renameat2, libc::RENAME_NOREPLACE);
            // The call itself: musl, as Rust brings it, has no name for it.
            // SAFETY: both are strings with a NUL at the end, and outlive the call.
            unsafe { libc::syscall(call, AT_FDCWD, old, AT_FDCWD, new, flags) }
        })
    })??;
    Errno::result(outcome)?;
    Ok(success(id))
}

pub fn replace(id: u32, from: &mut Reader) -> Result {
    let (old, new) = (from.path()?, from.path()?);
    fs::rename(old, new)?;
    Ok(success(id))
}

/// How full a file system is (OpenSSH's PROTOCOL, 4.4).
pub fn space(id: u32, space: Statvfs) -> Result {
    let flags = space.flags();
    let flag = |flag, bit| if flags.contains(flag) { bit } else { 0 };
    let numbers = [
        space.block_size(),
        space.fragment_size(),
        space.blocks(),
        space.blocks_free(),
        space.blocks_available(),
        space.files(),
        space.files_free(),
        space.files_available(),
        space.filesystem_id(),
        flag(FsFlags::ST_RDONLY, 1) | flag(FsFlags::ST_NOSUID, 2),
        space.name_max(),
    ];
    let reply = Reply::new(EXTENDED_REPLY, id);
    Ok(numbers.into_iter().fold(reply, Reply::u64))
}
