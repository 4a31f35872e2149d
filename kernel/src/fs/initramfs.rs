//! Filling the root file system from the initial RAM disk.
//!
//! A damaged archive costs what follows the damage, an entry that cannot be made costs that
//! entry; both are logged, and the boot goes on.

use super::caller::Caller;
use super::cpio::{Archive, CpioEntry};
use super::mount::Location;
use super::node::{AttributeChange, DeviceNumber, FileType, NewNode, Timestamp};
use super::open_file::{OpenFile, OpenFlags};
use super::path::{Rules, resolve};
use crate::error::{Errno, Result};
use crate::user_memory::Source;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// What unpacking did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    pub entries: usize,
    pub bytes: usize,
    /// Entries that could not be made, and 1 for an archive that ends in damage.
    pub errors: usize,
}

/// Unpacks `archive` at the root of `caller`.
pub fn unpack(caller: Caller, archive: &[u8]) -> Unpacked {
    let mut unpacker = Unpacker {
        caller,
        first_names: BTreeMap::new(),
    };
    let mut result = Unpacked::default();
    for entry in Archive::new(archive) {
        match entry {
            Ok(entry) => {
                result.entries += 1;
                result.bytes += entry.data.len();
                if let Err(error) = unpacker.make(&entry) {
                    result.errors += 1;
                    log::error!(
                        "initramfs: {}: {error:?}",
                        String::from_utf8_lossy(entry.name)
                    );
                }
            }
            Err(error) => {
                result.errors += 1;
                log::error!("initramfs: damaged: {error}; the rest of it is lost");
            }
        }
    }
    result
}

struct Unpacker {
    caller: Caller,
    /// Where a file with several names was made first, by inode number.
    first_names: BTreeMap<u32, Vec<u8>>,
}

impl Unpacker {
    fn make(&mut self, entry: &CpioEntry<'_>) -> Result<()> {
        let Some(path) = rooted(entry.name) else {
            return Ok(());
        };
        let permissions = (entry.mode & 0o7777) as u16;
        let device = DeviceNumber::new(entry.device.0, entry.device.1);
        let what = match entry.mode >> 12 {
            0o04 => return self.directory(&path, entry),
            0o10 => return self.regular(path, entry),
            0o12 => NewNode::Symlink(entry.data),
            0o01 => NewNode::Fifo,
            0o14 => NewNode::Socket,
            0o02 => NewNode::CharDevice(device),
            0o06 => NewNode::BlockDevice(device),
            _ => return Err(Errno::EINVAL),
        };
        let place = self.caller.make(None, &path, what, permissions)?;
        stamp(&place, entry)
    }

    fn directory(&mut self, path: &[u8], entry: &CpioEntry<'_>) -> Result<()> {
        let found = resolve(&self.caller, None, path, Rules::FOLLOW)?;
        let place = match found.place {
            Some(place) if place.node.file_type() == FileType::Directory => place,
            Some(_) => return Err(Errno::ENOTDIR),
            None => self.caller.make(None, path, NewNode::Directory, 0o755)?,
        };
        stamp(&place, entry)
    }

    fn regular(&mut self, path: Vec<u8>, entry: &CpioEntry<'_>) -> Result<()> {
        if entry.links > 1 {
            let first = self
                .first_names
                .entry(entry.inode)
                .or_insert_with(|| path.clone());
            if *first != path {
                let first = first.clone();
                self.caller.link((None, &first), false, (None, &path))?;
            }
        }
        // Of several names only the last one carries the data.
        let flags = OpenFlags::WRONLY | OpenFlags::CREAT;
        let file = self.caller.open(None, &path, flags, 0o600)?;
        if let Err(error) = fill(&file, entry.data) {
            // Half a program is worse than none, and takes room from the next.
            self.caller.unlink(None, &path)?;
            return Err(error);
        }
        let opened = file.opened().ok_or(Errno::EIO)?;
        stamp(&opened.place, entry)
    }
}

fn fill(file: &OpenFile, data: &[u8]) -> Result<()> {
    let mut source = Source::Kernel(data);
    while source.remaining() > 0 {
        if file.write(&mut source)? == 0 {
            return Err(Errno::EIO);
        }
    }
    Ok(())
}

/// `name` as an absolute path; `None` for the root itself.
fn rooted(name: &[u8]) -> Option<Vec<u8>> {
    let name = name
        .strip_prefix(b".")
        .filter(|rest| rest.is_empty() || rest.starts_with(b"/"))
        .unwrap_or(name);
    let start = name.iter().position(|&byte| byte != b'/')?;
    Some([b"/", &name[start..]].concat())
}

/// Owner, permissions and time of an entry.
fn stamp(place: &Location, entry: &CpioEntry<'_>) -> Result<()> {
    let time = Timestamp {
        seconds: i64::from(entry.modified),
        nanoseconds: 0,
    };
    let symlink = place.node.file_type() == FileType::Symlink;
    place.node.set_attributes(&AttributeChange {
        permissions: (!symlink).then_some((entry.mode & 0o7777) as u16),
        uid: Some(entry.uid),
        gid: Some(entry.gid),
        accessed: Some(time),
        modified: Some(time),
    })
}
