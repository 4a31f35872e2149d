//! Opening files: open(2) and its kin as [`Caller`]'s methods.

use super::caller::Caller;
use super::file::File;
use super::mount::{Location, MountFlags};
use super::node::{FileType, Metadata, NewNode, Node};
use super::open_file::{OpenFile, OpenFlags, Opened};
use super::operations::Base;
use super::path::{Resolved, Rules, resolve};
use super::permission::{self, Access};
use crate::error::{Errno, Result};
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;

impl Caller {
    /// open(2). `permissions` are for a file made by it, before the umask.
    pub fn open(
        &self,
        base: Base<'_>,
        path: &[u8],
        flags: OpenFlags,
        permissions: u16,
    ) -> Result<Arc<OpenFile>> {
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
        let rules = Rules {
            follow: !exclusive && !flags.contains(OpenFlags::NOFOLLOW),
            ..rules
        };
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

    fn open_existing(
        &self,
        found: Resolved,
        flags: OpenFlags,
        exclusive: bool,
    ) -> Result<Arc<OpenFile>> {
        if exclusive && found.place.is_some() {
            return Err(Errno::EEXIST);
        }
        let place = found.existing()?.clone();
        let metadata = place.node.metadata();
        match metadata.file_type {
            _ if flags.contains(OpenFlags::PATH) => {}
            FileType::Symlink => return Err(Errno::ELOOP),
            FileType::Directory if flags.writable() || flags.contains(OpenFlags::CREAT) => {
                return Err(Errno::EISDIR);
            }
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

    fn open_new(
        &self,
        found: &Resolved,
        flags: OpenFlags,
        permissions: u16,
    ) -> Result<Arc<OpenFile>> {
        if found.wants_directory {
            return Err(Errno::EISDIR);
        }
        let place = self.create(found, NewNode::Regular, permissions)?;
        let file = place.node.clone().open(flags)?;
        let entry = Some((found.parent.clone(), found.name.clone()));
        Ok(OpenFile::with_place(
            file,
            flags,
            Some(Opened { place, entry }),
        ))
    }

    fn opened(
        &self,
        file: Arc<dyn File>,
        flags: OpenFlags,
        place: Location,
        found: Resolved,
    ) -> Arc<OpenFile> {
        let named = !found.name.is_empty() && place.node.file_type() != FileType::Directory;
        let entry = named.then_some((found.parent, found.name));
        OpenFile::with_place(file, flags, Some(Opened { place, entry }))
    }

    fn check_open(&self, place: &Location, metadata: &Metadata, flags: OpenFlags) -> Result<()> {
        let mut wanted = Access::empty();
        wanted.set(Access::READ, flags.readable());
        wanted.set(
            Access::WRITE,
            flags.writable() || flags.contains(OpenFlags::TRUNC),
        );
        let device = matches!(
            metadata.file_type,
            FileType::CharDevice | FileType::BlockDevice
        );
        if device && place.mount.flags().contains(MountFlags::NO_DEVICES) {
            return Err(Errno::EACCES);
        }
        // Devices and FIFOs are written to, not the file system they are named in.
        let changes = matches!(metadata.file_type, FileType::Regular | FileType::Directory);
        if changes && wanted.contains(Access::WRITE) && place.mount.read_only() {
            return Err(Errno::EROFS);
        }
        if flags.contains(OpenFlags::NOATIME) && !permission::is_owner(&self.credentials, metadata)
        {
            return Err(Errno::EPERM);
        }
        permission::check(&self.credentials, metadata, wanted)
    }

    /// A program or interpreter for execve(2): a regular file that the caller may execute.
    pub fn open_program(&self, base: Base<'_>, path: &[u8], follow: bool) -> Result<Arc<OpenFile>> {
        let found = resolve(self, base, path, Rules::following(follow))?;
        let place = found.existing()?.clone();
        self.check_program(&place)?;
        let file = place.node.clone().open(OpenFlags::RDONLY)?;
        Ok(self.opened(file, OpenFlags::RDONLY, place, found))
    }

    /// As [`open_program`](Self::open_program) for an open file (`AT_EMPTY_PATH`).
    pub fn check_program(&self, place: &Location) -> Result<()> {
        if place.mount.flags().contains(MountFlags::NO_EXECUTE) {
            return Err(Errno::EACCES);
        }
        let metadata = place.node.metadata();
        match metadata.file_type {
            FileType::Regular => permission::check(&self.credentials, &metadata, Access::EXECUTE),
            FileType::Symlink => Err(Errno::ELOOP),
            _ => Err(Errno::EACCES),
        }
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
