//! What differs between the kinds of nodes.

use super::Inode;
use crate::fs::node::{Attachment, DeviceNumber, FileType, NewNode};
use crate::fs::tmpfs::contents::Contents;
use crate::fs::tmpfs::directory::Directory;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use smp::SpinLock;

/// A symbolic link with more text than this is charged as a page.
const SHORT_SYMLINK: usize = 128;

/// What differs between the kinds.
pub enum Body {
    Regular(Contents),
    Directory(Directory),
    Symlink(Box<[u8]>),
    /// A device, FIFO or socket.
    Special(DeviceNumber, Attachment),
}

impl Body {
    pub fn directory() -> Self {
        Body::Directory(Directory::empty())
    }

    /// How many pages the file system counts for it.
    pub(super) fn charged_pages(&self) -> usize {
        match self {
            Body::Regular(contents) => contents.page_count(),
            Body::Symlink(text) => usize::from(text.len() > SHORT_SYMLINK),
            _ => 0,
        }
    }

    /// The nodes a directory holds, which is left empty.
    pub(super) fn take_children(&mut self) -> Vec<Arc<Inode>> {
        match self {
            Body::Directory(directory) => directory.entries.lock().take_all(),
            _ => Vec::new(),
        }
    }

    pub(super) fn of(what: NewNode<'_>) -> (FileType, Self) {
        let special = |number| Body::Special(number, SpinLock::new(None));
        match what {
            NewNode::Regular => (FileType::Regular, Body::Regular(Contents::empty())),
            NewNode::Directory => (FileType::Directory, Body::directory()),
            NewNode::Symlink(text) => (FileType::Symlink, Body::Symlink(text.into())),
            NewNode::Fifo => (FileType::Fifo, special(DeviceNumber::default())),
            NewNode::Socket => (FileType::Socket, special(DeviceNumber::default())),
            NewNode::CharDevice(number) => (FileType::CharDevice, special(number)),
            NewNode::BlockDevice(number) => (FileType::BlockDevice, special(number)),
        }
    }
}
