//! Asking for and changing what files are: access, owner, permissions, times, size, as
//! [`Caller`]'s methods.

use super::caller::Caller;
use super::mount::Location;
use super::node::{AttributeChange, FileType, Metadata};
use super::permission::{self, Access, SET_GID, SET_UID};
use crate::error::{Errno, Result};
use crate::process::credentials::Capabilities;

impl Caller {
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
        place.node.set_attributes(&AttributeChange {
            permissions: Some(permissions),
            ..Default::default()
        })
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
        let keep = metadata.file_type == FileType::Directory
            || metadata.permissions & (SET_UID | SET_GID) == 0;
        let permissions = (!keep).then_some(metadata.permissions & !(SET_UID | SET_GID));
        place.node.set_attributes(&AttributeChange {
            uid,
            gid,
            permissions,
            ..Default::default()
        })
    }

    /// utimensat(2): given times are for the owner, "now" also for whoever may write.
    pub fn change_times(
        &self,
        place: &Location,
        change: &AttributeChange,
        to_now: bool,
    ) -> Result<()> {
        if to_now && self.access(place, Access::WRITE).is_ok() {
            return place.node.set_attributes(change);
        }
        self.owned(place).map_err(|error| {
            if to_now && error == Errno::EPERM {
                Errno::EACCES
            } else {
                error
            }
        })?;
        place.node.set_attributes(change)
    }

    fn owned(&self, place: &Location) -> Result<Metadata> {
        self.check_not_read_only(place)?;
        let metadata = place.node.metadata();
        if permission::is_owner(&self.credentials, &metadata) {
            Ok(metadata)
        } else {
            Err(Errno::EPERM)
        }
    }
}
