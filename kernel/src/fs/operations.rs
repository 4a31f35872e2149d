//! The file operations of POSIX by path, with their permission checks: [`Caller`]'s methods.
//!
//! `base` is where a relative path starts (the `dirfd` of the `*at` calls); `None` is the working
//! directory.

use super::caller::Caller;
use super::file::File;
use super::mount::Location;
use super::node::{AttributeChange, Creation, FileType, Metadata, NewNode, Node, RenameMode};
use super::open_file::{OpenFile, OpenFlags, Opened};
use super::path::{Resolved, Rules, resolve};
use super::permission::{self, Access, SET_GID, SET_UID};
use crate::error::{Errno, Result};
use crate::process::credentials::Capabilities;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

type Base<'a> = Option<&'a Location>;

impl Caller {
    /// The place at the end of `path`.
    pub fn find(&self, base: Base<'_>, path: &[u8], follow: bool) -> Result<Location> {
        resolve(self, base, path, Rules { follow, ..Rules::FOLLOW })?.existing()
    }

    /// open(2). `permissions` are for a file made by it, before the umask.
    pub fn open(&self, base: Base<'_>, path: &[u8], flags: OpenFlags, permissions: u16) -> Result<Arc<OpenFile>> {
        self.open_with(base, path, flags, permissions, Rules::FOLLOW)
    }

    /// openat2(2): open with further `rules` of resolution.
    pub fn open_with(
        &self,
        base: Base<'_>,
        path: &[u8],
        flags: OpenFlags,
        permissions: u16,
        rules: Rules,
    ) -> Result<Arc<OpenFile>> {
        let exclusive = flags.contains(OpenFlags::CREAT | OpenFlags::EXCL);
        let rules = Rules { follow: !exclusive && !flags.contains(OpenFlags::NOFOLLOW), ..rules };
        loop {
            let found = resolve(self, base, path, rules)?;
            if let Some(file) = &found.open {
                return Ok(OpenFile::new(file.file().clone(), flags));
            }
            if found.place.is_some() || !flags.contains(OpenFlags::CREAT) {
                return self.open_existing(found, flags, exclusive);
            }
            match self.open_new(&found, flags, permissions) {
                // Someone else made it meanwhile: without O_EXCL that one is opened.
                Err(Errno::EEXIST) if !exclusive => continue,
                result => return result,
            }
        }
    }

    fn open_existing(&self, found: Resolved, flags: OpenFlags, exclusive: bool) -> Result<Arc<OpenFile>> {
        if exclusive && found.place.is_some() {
            return Err(Errno::EEXIST);
        }
        let place = found.existing()?;
        let metadata = place.node.metadata();
        match metadata.file_type {
            _ if flags.contains(OpenFlags::PATH) => {}
            FileType::Symlink => return Err(Errno::ELOOP),
            FileType::Directory if flags.writable() || flags.contains(OpenFlags::CREAT) => return Err(Errno::EISDIR),
            FileType::Socket => return Err(Errno::ENXIO),
            _ => {}
        }
        if flags.contains(OpenFlags::DIRECTORY) && metadata.file_type != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        if flags.contains(OpenFlags::PATH) {
            return Ok(self.opened(Arc::new(PathFile(place.node.clone())), flags, place, found));
        }
        self.check_open(&place, &metadata, flags)?;
        let file = place.node.clone().open(flags)?;
        if flags.contains(OpenFlags::TRUNC) && metadata.file_type == FileType::Regular {
            place.node.truncate(0)?;
        }
        Ok(self.opened(file, flags, place, found))
    }

    fn open_new(&self, found: &Resolved, flags: OpenFlags, permissions: u16) -> Result<Arc<OpenFile>> {
        if found.wants_directory {
            return Err(Errno::EISDIR);
        }
        let place = self.create(found, NewNode::Regular, permissions)?;
        let file = place.node.clone().open(flags)?;
        let entry = Some((found.parent.clone(), found.name.clone()));
        Ok(OpenFile::with_place(file, flags, Some(Opened { place, entry })))
    }

    fn opened(&self, file: Arc<dyn File>, flags: OpenFlags, place: Location, found: Resolved) -> Arc<OpenFile> {
        let named = !found.name.is_empty() && place.node.file_type() != FileType::Directory;
        let entry = named.then_some((found.parent, found.name));
        OpenFile::with_place(file, flags, Some(Opened { place, entry }))
    }

    fn check_open(&self, place: &Location, metadata: &Metadata, flags: OpenFlags) -> Result<()> {
        let mut wanted = Access::empty();
        wanted.set(Access::READ, flags.readable());
        wanted.set(Access::WRITE, flags.writable() || flags.contains(OpenFlags::TRUNC));
        // Devices and FIFOs are written to, not the file system they are named in.
        let changes = matches!(metadata.file_type, FileType::Regular | FileType::Directory);
        if changes && wanted.contains(Access::WRITE) && place.mount.read_only() {
            return Err(Errno::EROFS);
        }
        if flags.contains(OpenFlags::NOATIME) && !permission::is_owner(&self.credentials, metadata) {
            return Err(Errno::EPERM);
        }
        permission::check(&self.credentials, metadata, wanted)
    }

    /// A program or interpreter for execve(2): a regular file that the caller may execute.
    pub fn open_program(&self, base: Base<'_>, path: &[u8], follow: bool) -> Result<Arc<OpenFile>> {
        let found = resolve(self, base, path, Rules { follow, ..Rules::FOLLOW })?;
        let place = found.existing()?;
        self.check_program(&place)?;
        let file = place.node.clone().open(OpenFlags::RDONLY)?;
        Ok(self.opened(file, OpenFlags::RDONLY, place, found))
    }

    /// As [`open_program`](Self::open_program) for an open file (`AT_EMPTY_PATH`).
    pub fn check_program(&self, place: &Location) -> Result<()> {
        let metadata = place.node.metadata();
        match metadata.file_type {
            FileType::Regular => permission::check(&self.credentials, &metadata, Access::EXECUTE),
            FileType::Symlink => Err(Errno::ELOOP),
            _ => Err(Errno::EACCES),
        }
    }

    /// mkdir(2), mknod(2), symlink(2): makes `what` where there was nothing.
    pub fn make(&self, base: Base<'_>, path: &[u8], what: NewNode<'_>, permissions: u16) -> Result<Location> {
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

    fn create(&self, found: &Resolved, what: NewNode<'_>, permissions: u16) -> Result<Location> {
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
    pub fn link(
        &self,
        old: (Base<'_>, &[u8]),
        follow: bool,
        new: (Base<'_>, &[u8]),
    ) -> Result<()> {
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
        self.check_removal(&found.parent, &place)?;
        if place.node.file_type() == FileType::Directory {
            return Err(Errno::EISDIR);
        }
        found.parent.node.unlink(&found.name)
    }

    /// rmdir(2).
    pub fn rmdir(&self, base: Base<'_>, path: &[u8]) -> Result<()> {
        let found = resolve(self, base, path, Rules::NO_FOLLOW)?;
        if found.name.is_empty() {
            let dot = path.ends_with(b".") && !path.ends_with(b"..");
            return Err(if dot { Errno::EINVAL } else { Errno::EBUSY });
        }
        let place = found.existing()?;
        if place.is_mount_root() {
            return Err(Errno::EBUSY);
        }
        self.check_removal(&found.parent, &place)?;
        if place.node.file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        found.parent.node.rmdir(&found.name)
    }

    /// rename(2), renameat2(2).
    pub fn rename(&self, old: (Base<'_>, &[u8]), new: (Base<'_>, &[u8]), mode: RenameMode) -> Result<()> {
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
        self.check_removal(&from.parent, &moved)?;
        match &to.place {
            Some(_) if mode == RenameMode::KeepTarget => return Err(Errno::EEXIST),
            Some(target) => self.check_removal(&to.parent, target)?,
            None if mode == RenameMode::Exchange => return Err(Errno::ENOENT),
            None => self.check_change(&to.parent).map(|_| ())?,
        }
        if moved.is_mount_root() || to.place.as_ref().is_some_and(Location::is_mount_root) {
            return Err(Errno::EBUSY);
        }
        from.parent.node.rename(&from.name, &to.parent.node, &to.name, mode)
    }

    /// readlink(2).
    pub fn readlink(&self, base: Base<'_>, path: &[u8]) -> Result<Vec<u8>> {
        self.find(base, path, false)?.node.readlink()
    }

    /// access(2), with this caller's file-system ids.
    pub fn access(&self, place: &Location, wanted: Access) -> Result<()> {
        let metadata = place.node.metadata();
        let changes = matches!(metadata.file_type, FileType::Regular | FileType::Directory);
        if wanted.contains(Access::WRITE) && changes && place.mount.read_only() {
            return Err(Errno::EROFS);
        }
        permission::check(&self.credentials, &metadata, wanted)
    }

    /// chdir(2), chroot(2): a directory the caller may search.
    pub fn check_directory(&self, place: &Location) -> Result<()> {
        if place.node.file_type() != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        permission::check(&self.credentials, &place.node.metadata(), Access::EXECUTE)
    }

    /// truncate(2) by path: `place` must be a regular file the caller may write.
    pub fn truncate(&self, place: &Location, size: u64) -> Result<()> {
        self.access(place, Access::WRITE)?;
        place.node.truncate(size)
    }

    /// chmod(2): the owner only; set-group-id is lost by those outside the group.
    pub fn change_mode(&self, place: &Location, permissions: u16) -> Result<()> {
        let metadata = self.owned(place)?;
        let mut permissions = permissions & 0o7777;
        if !self.credentials.in_group(metadata.gid) && !self.credentials.has(Capabilities::FSETID) {
            permissions &= !SET_GID;
        }
        place.node.set_attributes(&AttributeChange { permissions: Some(permissions), ..Default::default() })
    }

    /// chown(2): `CAP_CHOWN`, or the owner giving the file to a group of theirs.
    pub fn change_owner(&self, place: &Location, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        let metadata = place.node.metadata();
        self.check_not_read_only(place)?;
        let who = &self.credentials;
        let own = who.fsuid == metadata.uid
            && uid.is_none_or(|uid| uid == metadata.uid)
            && gid.is_none_or(|gid| gid == metadata.gid || who.in_group(gid));
        if !own && !who.has(Capabilities::CHOWN) {
            return Err(Errno::EPERM);
        }
        let keep = metadata.file_type == FileType::Directory || metadata.permissions & (SET_UID | SET_GID) == 0;
        let permissions = (!keep).then_some(metadata.permissions & !(SET_UID | SET_GID));
        place.node.set_attributes(&AttributeChange { uid, gid, permissions, ..Default::default() })
    }

    /// utimensat(2): given times are for the owner, "now" also for whoever may write.
    pub fn change_times(&self, place: &Location, change: &AttributeChange, to_now: bool) -> Result<()> {
        if to_now && self.access(place, Access::WRITE).is_ok() {
            return place.node.set_attributes(change);
        }
        self.owned(place).map_err(|error| if to_now && error == Errno::EPERM { Errno::EACCES } else { error })?;
        place.node.set_attributes(change)
    }

    fn owned(&self, place: &Location) -> Result<Metadata> {
        self.check_not_read_only(place)?;
        let metadata = place.node.metadata();
        if permission::is_owner(&self.credentials, &metadata) { Ok(metadata) } else { Err(Errno::EPERM) }
    }

    fn check_not_read_only(&self, place: &Location) -> Result<()> {
        if place.mount.read_only() { Err(Errno::EROFS) } else { Ok(()) }
    }

    /// Entries of `directory` may be added or removed.
    fn check_change(&self, directory: &Location) -> Result<Metadata> {
        self.check_not_read_only(directory)?;
        let metadata = directory.node.metadata();
        permission::check(&self.credentials, &metadata, Access::WRITE | Access::EXECUTE)?;
        Ok(metadata)
    }

    fn check_removal(&self, directory: &Location, entry: &Location) -> Result<()> {
        let metadata = self.check_change(directory)?;
        permission::check_sticky(&self.credentials, &metadata, &entry.node.metadata())
    }
}

/// What `O_PATH` opens: a place, without reading or writing.
struct PathFile(Arc<dyn Node>);

impl File for PathFile {
    fn node(&self) -> Option<Arc<dyn Node>> {
        Some(self.0.clone())
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn describe(&self) -> String {
        String::from("path")
    }
}
