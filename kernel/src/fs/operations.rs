//! Finding, making, moving and removing files by path, with permission checks: [`Caller`]'s methods.
//!
//! `base` is where a relative path starts (the `dirfd` of the `*at` calls); `None` is the working
//! directory.

use super::caller::Caller;
use super::mount::Location;
use super::node::{Creation, FileType, Metadata, NewNode, RenameMode};
use super::open_file::OpenFile;
use super::path::{Resolved, Rules, resolve};
use super::permission::{self, Access, SET_GID};
use crate::error::{Errno, Result};
use crate::process::credentials::Capabilities;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub type Base<'a> = Option<&'a Location>;

/// What a path leads to: a place or, through `/proc/<pid>/fd`, a file that is in no tree.
pub enum Found {
    Place(Location),
    Open(Arc<OpenFile>),
}

impl Caller {
    /// What is at the end of `path`, for calls that do not need a place: stat(2).
    pub fn look_up(&self, base: Base<'_>, path: &[u8], follow: bool) -> Result<Found> {
        let found = resolve(self, base, path, Rules::following(follow))?;
        match found.open {
            Some(_) if found.wants_directory => Err(Errno::ENOTDIR),
            Some(file) => Ok(Found::Open(file)),
            None => found.into_existing().map(Found::Place),
        }
    }

    /// The place at the end of `path`.
    pub fn find(&self, base: Base<'_>, path: &[u8], follow: bool) -> Result<Location> {
        resolve(self, base, path, Rules::following(follow))?.into_existing()
    }

    /// mkdir(2), mknod(2), symlink(2): makes `what` where there was nothing.
    pub fn make(
        &self,
        base: Base<'_>,
        path: &[u8],
        what: NewNode<'_>,
        permissions: u16,
    ) -> Result<Location> {
        let found = resolve(self, base, path, Rules::NO_FOLLOW)?;
        if found.place.is_some() || found.name.is_empty() {
            return Err(Errno::EEXIST);
        }
        if found.wants_directory && !matches!(what, NewNode::Directory) {
            return Err(Errno::ENOENT);
        }
        let device = matches!(what, NewNode::CharDevice(_) | NewNode::BlockDevice(_));
        if device && !self.credentials.has(Capabilities::MKNOD) {
            return Err(Errno::EPERM);
        }
        self.create(&found, what, permissions)
    }

    pub(super) fn create(
        &self,
        found: &Resolved,
        what: NewNode<'_>,
        permissions: u16,
    ) -> Result<Location> {
        let directory = self.check_change(&found.parent)?;
        let mut by = Creation {
            permissions: permissions & 0o7777 & !self.umask,
            uid: self.credentials.fsuid,
            gid: self.credentials.fsgid,
        };
        if directory.permissions & SET_GID != 0 {
            by.gid = directory.gid;
            if matches!(what, NewNode::Directory) {
                by.permissions |= SET_GID;
            }
        }
        if matches!(what, NewNode::Symlink(_)) {
            by.permissions = 0o777;
        }
        let node = found.parent.node.create(&found.name, what, by)?;
        Ok(found.parent.with_node(node))
    }

    /// link(2).
    pub fn link(&self, old: (Base<'_>, &[u8]), follow: bool, new: (Base<'_>, &[u8])) -> Result<()> {
        let place = self.find(old.0, old.1, follow)?;
        self.link_place(&place, new)
    }

    /// linkat(2) of something already open.
    pub fn link_place(&self, place: &Location, new: (Base<'_>, &[u8])) -> Result<()> {
        let found = resolve(self, new.0, new.1, Rules::NO_FOLLOW)?;
        if found.place.is_some() || found.name.is_empty() {
            return Err(Errno::EEXIST);
        }
        if found.parent.mount.id != place.mount.id {
            return Err(Errno::EXDEV);
        }
        if place.node.file_type() == FileType::Directory {
            return Err(Errno::EPERM);
        }
        if found.wants_directory {
            return Err(Errno::ENOENT);
        }
        self.check_change(&found.parent)?;
        found.parent.node.link(&found.name, &place.node)
    }

    /// unlink(2).
    pub fn unlink(&self, base: Base<'_>, path: &[u8]) -> Result<()> {
        let found = resolve(self, base, path, Rules::NO_FOLLOW)?;
        if found.name.is_empty() {
            return Err(Errno::EISDIR);
        }
        let place = found.existing()?;
        self.check_removal(&found.parent, place)?;
        if place.node.file_type() == FileType::Directory {
            return Err(Errno::EISDIR);
        }
        found.parent.node.unlink(&found.name)
    }

    /// rmdir(2).
    pub fn rmdir(&self, base: Base<'_>, path: &[u8]) -> Result<()> {
        let found = resolve(self, base, path, Rules::NO_FOLLOW)?;
        if found.name.is_empty() {
            return Err(
                match path
                    .rsplit(|&byte| byte == b'/')
                    .find(|name| !name.is_empty())
                {
                    Some(b".") => Errno::EINVAL,
                    Some(b"..") => Errno::ENOTEMPTY,
                    _ => Errno::EBUSY,
                },
            );
        }
        let place = found.existing()?;
        if place.is_mount_root() {
            return Err(Errno::EBUSY);
        }
        self.check_removal(&found.parent, place)?;
        if place.node.file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        found.parent.node.rmdir(&found.name)
    }

    /// rename(2), renameat2(2).
    pub fn rename(
        &self,
        old: (Base<'_>, &[u8]),
        new: (Base<'_>, &[u8]),
        mode: RenameMode,
    ) -> Result<()> {
        let from = resolve(self, old.0, old.1, Rules::NO_FOLLOW)?;
        let to = resolve(self, new.0, new.1, Rules::NO_FOLLOW)?;
        if from.name.is_empty() || to.name.is_empty() {
            return Err(Errno::EBUSY);
        }
        let moved = from.existing()?;
        if from.parent.mount.id != to.parent.mount.id {
            return Err(Errno::EXDEV);
        }
        if to.wants_directory && moved.node.file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        self.check_removal(&from.parent, moved)?;
        match &to.place {
            Some(_) if mode == RenameMode::KeepTarget => return Err(Errno::EEXIST),
            Some(target) => self.check_removal(&to.parent, target)?,
            None if mode == RenameMode::Exchange => return Err(Errno::ENOENT),
            None => self.check_change(&to.parent).map(|_| ())?,
        }
        if moved.is_mount_root() || to.place.as_ref().is_some_and(Location::is_mount_root) {
            return Err(Errno::EBUSY);
        }
        from.parent
            .node
            .rename(&from.name, &to.parent.node, &to.name, mode)
    }

    /// readlink(2).
    pub fn readlink(&self, base: Base<'_>, path: &[u8]) -> Result<Vec<u8>> {
        self.find(base, path, false)?.node.readlink()
    }

    pub(super) fn check_not_read_only(&self, place: &Location) -> Result<()> {
        if place.mount.read_only() {
            Err(Errno::EROFS)
        } else {
            Ok(())
        }
    }

    /// Entries of `directory` may be added or removed.
    fn check_change(&self, directory: &Location) -> Result<Metadata> {
        self.check_not_read_only(directory)?;
        let metadata = directory.node.metadata();
        permission::check(
            &self.credentials,
            &metadata,
            Access::WRITE | Access::EXECUTE,
        )?;
        Ok(metadata)
    }

    fn check_removal(&self, directory: &Location, entry: &Location) -> Result<()> {
        let metadata = self.check_change(directory)?;
        permission::check_sticky(&self.credentials, &metadata, &entry.node.metadata())
    }
}
