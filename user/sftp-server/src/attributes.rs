//! A file's attributes on the wire (draft-ietf-secsh-filexfer-02, section 5), and setting them.

use crate::status::Failure;
use crate::wire::{Reader, Reply};
use nix::sys::stat::{UtimensatFlags, futimens, utimensat};
use nix::sys::time::TimeSpec;
use std::fs::{File, Metadata, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, fchown};
use std::path::Path;

const SIZE: u32 = 1;
const OWNER: u32 = 2;
const PERMISSIONS: u32 = 4;
const TIMES: u32 = 8;
const EXTENDED: u32 = 1 << 31;

/// The kind of reply that carries them.
pub const ATTRIBUTES: u8 = 105;

/// What a client wants a file to have.
#[derive(Default)]
pub struct Attributes {
    pub size: Option<u64>,
    owner: Option<(u32, u32)>,
    permissions: Option<u32>,
    /// Of the last access and the last change, in seconds since 1970.
    times: Option<(u32, u32)>,
}

impl Attributes {
    pub fn read(from: &mut Reader) -> Result<Self, Failure> {
        let flags = from.u32()?;
        let mut attributes = Self::default();
        if flags & SIZE != 0 {
            attributes.size = Some(from.u64()?);
        }
        if flags & OWNER != 0 {
            attributes.owner = Some((from.u32()?, from.u32()?));
        }
        if flags & PERMISSIONS != 0 {
            attributes.permissions = Some(from.u32()? & 0o7777);
        }
        if flags & TIMES != 0 {
            attributes.times = Some((from.u32()?, from.u32()?));
        }
        if flags & EXTENDED != 0 {
            for _ in 0..from.u32()? {
                from.string()?;
                from.string()?;
            }
        }
        Ok(attributes)
    }

    /// Permissions for a new file or folder.
    pub fn mode(&self, default: u32) -> u32 {
        self.permissions.unwrap_or(default)
    }

    /// The owner before the permissions: a change of owner takes the set-user-id bit away.
    pub fn apply(&self, path: &Path) -> Result<(), Failure> {
        if let Some(size) = self.size {
            let size = i64::try_from(size).map_err(|_| nix::errno::Errno::EFBIG)?;
            nix::unistd::truncate(path, size)?;
        }
        if let Some((user, group)) = self.owner {
            chown(path, Some(user), Some(group))?;
        }
        if let Some(mode) = self.permissions {
            std::fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        if let Some([access, change]) = self.times() {
            let follow = UtimensatFlags::FollowSymlink;
            utimensat(nix::fcntl::AT_FDCWD, path, &access, &change, follow)?;
        }
        Ok(())
    }

    /// The same of an open file, whatever has become of its name.
    pub fn apply_to_open(&self, file: &File) -> Result<(), Failure> {
        if let Some(size) = self.size {
            file.set_len(size)?;
        }
        if let Some((user, group)) = self.owner {
            fchown(file, Some(user), Some(group))?;
        }
        if let Some(mode) = self.permissions {
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        if let Some([access, change]) = self.times() {
            futimens(file, &access, &change)?;
        }
        Ok(())
    }

    fn times(&self) -> Option<[TimeSpec; 2]> {
        let (access, change) = self.times?;
        Some([access, change].map(|time| TimeSpec::new(time.into(), 0)))
    }
}

/// Adds what is known of a file to a reply.
pub fn write(reply: Reply, known: &Metadata) -> Reply {
    reply
        .u32(SIZE | OWNER | PERMISSIONS | TIMES)
        .u64(known.len())
        .u32(known.uid())
        .u32(known.gid())
        .u32(known.mode())
        .u32(known.atime() as u32)
        .u32(known.mtime() as u32)
}

/// Adds that nothing is known, as realpath answers.
pub fn write_none(reply: Reply) -> Reply {
    reply.u32(0)
}
