//! A tmpfs node of any kind.

mod attributes;
mod body;
mod file;
mod node;

use crate::error::{Errno, Result};
use crate::fs::node::{Creation, DeviceNumber, FileType};
use crate::fs::tmpfs::contents::Contents;
use crate::fs::tmpfs::directory::{Directory, Entries};
use crate::fs::tmpfs::{Shared, page};
use alloc::sync::{Arc, Weak};
use attributes::Attributes;
use smp::{MutexGuard, SpinLock};

pub use body::Body;

pub struct Inode {
    pub(super) shared: Arc<Shared>,
    number: u64,
    kind: FileType,
    pub(super) body: Body,
    attributes: SpinLock<Attributes>,
    /// Itself, to hand out references from `&self`.
    itself: Weak<Inode>,
}

impl Inode {
    pub(super) fn new(
        shared: Arc<Shared>,
        number: u64,
        kind: FileType,
        by: Creation,
        body: Body,
    ) -> Arc<Self> {
        let attributes = SpinLock::new(Attributes::new(kind, by));
        Arc::new_cyclic(|itself| Self {
            shared,
            number,
            kind,
            body,
            attributes,
            itself: itself.clone(),
        })
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn kind(&self) -> FileType {
        self.kind
    }

    pub(super) fn itself(&self) -> Arc<Inode> {
        self.itself
            .upgrade()
            .expect("a node in use has a reference")
    }

    pub(super) fn directory(&self) -> Result<&Directory> {
        match &self.body {
            Body::Directory(directory) => Ok(directory),
            _ => Err(Errno::ENOTDIR),
        }
    }

    pub(super) fn entries(&self) -> Result<MutexGuard<'_, Entries>> {
        Ok(self.directory()?.entries.lock())
    }

    /// The pages of a regular file.
    pub fn contents(&self) -> Result<&Contents> {
        match &self.body {
            Body::Regular(contents) => Ok(contents),
            Body::Directory(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Size in bytes and in blocks of 512.
    fn sizes(&self) -> (u64, u64) {
        match &self.body {
            Body::Regular(contents) => {
                let (size, pages) = contents.sizes();
                (size, pages as u64 * (page::SIZE as u64 / 512))
            }
            // As Linux's tmpfs: 20 bytes an entry.
            Body::Directory(directory) => ((directory.entries.lock().len() as u64 + 2) * 20, 0),
            Body::Symlink(text) => (text.len() as u64, 0),
            Body::Special(..) => (0, 0),
        }
    }

    fn device_number(&self) -> DeviceNumber {
        match &self.body {
            Body::Special(number, _) => *number,
            _ => DeviceNumber::default(),
        }
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        self.shared.release_pages(self.body.charged_pages());
        self.shared.release_inode();
        // A deep tree goes down one node at a time: recursion would end at the stack's guard page.
        let mut orphans = self.body.take_children();
        while let Some(node) = orphans.pop() {
            if let Some(mut last) = Arc::into_inner(node) {
                orphans.append(&mut last.body.take_children());
            }
        }
    }
}
