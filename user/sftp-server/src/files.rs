//! Requests about open files and folders.

use crate::attributes::{self, Attributes};
use crate::handles::{Handles, Open};
use crate::listing;
use crate::status::{Failure, success};
use crate::wire::{DATA_LIMIT, Reader, Reply};
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use std::fs::File;
use std::io;
use std::iter::Peekable;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;

pub const HANDLE: u8 = 102;
const DATA: u8 = 103;
pub const NAME: u8 = 104;
/// Entries in one reply: a few tens of kilobytes at most.
const ENTRIES: usize = 100;

type Result<T = Reply> = std::result::Result<T, Failure>;

pub fn open(handles: &mut Handles, id: u32, from: &mut Reader) -> Result {
    let path = from.path()?;
    let flags = open_flags(from.u32()?);
    let mode = Mode::from_bits_truncate(Attributes::read(from)?.mode(0o666));
    handles.check_room()?;
    let file = nix::fcntl::open(path, flags | OFlag::O_CLOEXEC | OFlag::O_NOCTTY, mode)?;
    let handle = handles.insert(Open::File(File::from(file)));
    Ok(Reply::new(HANDLE, id).string(handle))
}

/// SSH_FXF_* (section 6.3). What is written to append goes to the end, whatever offset the client
/// names: so has it pwrite(2) of Linux, and with it OpenSSH.
fn open_flags(wanted: u32) -> OFlag {
    const READ: u32 = 1;
    const WRITE: u32 = 2;
    let access = match (wanted & READ != 0, wanted & WRITE != 0) {
        (true, true) => OFlag::O_RDWR,
        (false, true) => OFlag::O_WRONLY,
        (_, false) => OFlag::O_RDONLY,
    };
    let others = [
        (4, OFlag::O_APPEND),
        (8, OFlag::O_CREAT),
        (16, OFlag::O_TRUNC),
        (32, OFlag::O_EXCL),
    ];
    let set = others.iter().filter(|(bit, _)| wanted & bit != 0);
    set.fold(access, |flags, (_, flag)| flags | *flag)
}

/// Closing may still say that something could not be written.
pub fn close(handles: &mut Handles, id: u32, from: &mut Reader) -> Result {
    if let Open::File(file) = handles.remove(from.string()?)? {
        nix::unistd::close(OwnedFd::from(file))?;
    }
    Ok(success(id))
}

pub fn read(handles: &Handles, id: u32, from: &mut Reader) -> Result {
    let file = handles.file(from.string()?)?;
    let offset = from.u64()?;
    let mut buffer = vec![0; from.u32()?.min(DATA_LIMIT) as usize];
    let count = file.read_at(&mut buffer, offset)?;
    match count == 0 && !buffer.is_empty() {
        true => Err(Failure::end_of_file()),
        false => Ok(Reply::new(DATA, id).string(&buffer[..count])),
    }
}

/// All of it, or a failure: a part that fitted is not called success.
pub fn write(handles: &Handles, id: u32, from: &mut Reader) -> Result {
    let file = handles.file(from.string()?)?;
    let offset = from.u64()?;
    file.write_all_at(from.string()?, offset)?;
    Ok(success(id))
}

pub fn flush(handles: &Handles, id: u32, from: &mut Reader) -> Result {
    handles.file(from.string()?)?.sync_all()?;
    Ok(success(id))
}

pub fn attributes(handles: &Handles, id: u32, from: &mut Reader) -> Result {
    let known = handles.file(from.string()?)?.metadata()?;
    let reply = Reply::new(attributes::ATTRIBUTES, id);
    Ok(attributes::write(reply, &known))
}

pub fn set_attributes(handles: &Handles, id: u32, from: &mut Reader) -> Result {
    let file = handles.file(from.string()?)?;
    Attributes::read(from)?.apply_to_open(file)?;
    Ok(success(id))
}

pub fn open_folder(handles: &mut Handles, id: u32, from: &mut Reader) -> Result {
    handles.check_room()?;
    let folder = std::fs::read_dir(from.path()?)?;
    let handle = handles.insert(Open::Folder(folder.peekable()));
    Ok(Reply::new(HANDLE, id).string(handle))
}

/// Some entries more. One that has gone meanwhile is left out.
pub fn read_folder(handles: &mut Handles, id: u32, from: &mut Reader) -> Result {
    let folder = handles.folder(from.string()?)?;
    let entries = batch(folder, |entry| {
        Some((entry.file_name(), entry.metadata().ok()?))
    })?;
    if entries.is_empty() {
        return Err(Failure::end_of_file());
    }
    let reply = Reply::new(NAME, id).u32(entries.len() as u32);
    Ok(entries.iter().fold(reply, |reply, (name, known)| {
        let name = name.as_bytes();
        attributes::write(reply.string(name).string(listing::line(name, known)), known)
    }))
}

/// What `look` finds at the next entries, up to as many as fit a reply. Trouble on the way waits
/// until those before it are told.
fn batch<E, T>(
    folder: &mut Peekable<impl Iterator<Item = io::Result<E>>>,
    look: impl Fn(E) -> Option<T>,
) -> io::Result<Vec<T>> {
    let mut found = Vec::new();
    while found.len() < ENTRIES
        && let Some(entry) = folder.next_if(|entry| entry.is_ok() || found.is_empty())
    {
        found.extend(look(entry?));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_filled_beyond_entries_that_have_gone() {
        let mut folder = (0..350).map(Ok).peekable();
        let mut next = || batch(&mut folder, |entry| (entry >= 150).then_some(entry)).unwrap();
        assert_eq!(next(), Vec::from_iter(150..250));
        assert_eq!(next(), Vec::from_iter(250..350));
        assert_eq!(next(), []);
    }

    #[test]
    fn what_was_found_before_trouble_is_told() {
        let entries = [Ok(1), Ok(2), Err(io::Error::other("trouble")), Ok(3)];
        let mut folder = entries.into_iter().peekable();
        assert_eq!(batch(&mut folder, Some).unwrap(), [1, 2]);
        assert!(batch(&mut folder, Some).is_err());
        assert_eq!(batch(&mut folder, Some).unwrap(), [3]);
    }
}
