//! Owner, rights, links and times of a node.

use super::Inode;
use crate::fs::clock;
use crate::fs::node::{AttributeChange, Creation, FileType, Timestamp};
use crate::fs::permission::{SET_GID, SET_UID};
use crate::process::credentials::{Capabilities, Credentials};
use alloc::sync::Arc;

#[derive(Clone, Copy)]
pub(super) struct Attributes {
    pub permissions: u16,
    pub uid: u32,
    pub gid: u32,
    pub links: u32,
    pub accessed: Timestamp,
    pub modified: Timestamp,
    pub changed: Timestamp,
    pub born: Timestamp,
}

impl Attributes {
    pub(super) fn new(kind: FileType, by: Creation) -> Self {
        let now = clock::now();
        Self {
            permissions: by.permissions,
            uid: by.uid,
            gid: by.gid,
            links: if kind == FileType::Directory { 2 } else { 1 },
            accessed: now,
            modified: now,
            changed: now,
            born: now,
        }
    }

    pub(super) fn change(&mut self, change: &AttributeChange) {
        let kept = *self;
        *self = Self {
            permissions: change.permissions.unwrap_or(kept.permissions),
            uid: change.uid.unwrap_or(kept.uid),
            gid: change.gid.unwrap_or(kept.gid),
            accessed: change.accessed.unwrap_or(kept.accessed),
            modified: change.modified.unwrap_or(kept.modified),
            changed: clock::now(),
            ..kept
        };
    }
}

impl Inode {
    pub(in crate::fs::tmpfs) fn change_links(&self, by: i32) {
        let mut attributes = self.attributes.lock();
        attributes.links = attributes.links.saturating_add_signed(by);
        attributes.changed = clock::now();
    }

    /// Its contents (or entries) changed.
    pub(in crate::fs::tmpfs) fn touch(&self) {
        let now = clock::now();
        let mut attributes = self.attributes.lock();
        (attributes.modified, attributes.changed) = (now, now);
    }

    /// A program changed by another than a privileged user no longer runs for its owner (write(2)).
    pub(super) fn drop_set_id(&self) {
        const SET_ID: u16 = SET_UID | SET_GID;
        let mut attributes = self.attributes.lock();
        if attributes.permissions & SET_ID != 0 {
            let current = crate::process::try_current();
            let keeps = |who: Arc<Credentials>| who.has(Capabilities::FSETID);
            if !current.is_none_or(|current| keeps(current.credentials())) {
                attributes.permissions &= !SET_ID;
            }
        }
    }

    /// Its contents were read: as `relatime` does, only the first time since they were written.
    pub(super) fn touch_access(&self) {
        let mut attributes = self.attributes.lock();
        if attributes.accessed <= attributes.modified {
            attributes.accessed = clock::now();
        }
    }
}
