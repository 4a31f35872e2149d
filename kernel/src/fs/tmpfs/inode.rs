//! A tmpfs node of any kind.

use super::super::file::{File, IoMode};
use super::super::node::{
    Allocation, Attachment, AttributeChange, Creation, DeviceNumber, Entry, FileType, Metadata,
    NewNode, Node, NodeId, Protection, RenameMode, Timestamp, Visit,
};
use super::super::open_file::OpenFlags;
use super::super::permission::{SET_GID, SET_UID};
use super::super::{device, pipe};
use super::Shared;
use super::contents::Contents;
use super::directory::{Directory, Entries};
use super::page;
use crate::error::{Errno, Result};
use crate::fs::clock;
use crate::process::credentials::{Capabilities, Credentials};
use crate::user_memory::{Sink, Source};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use mm::PageSource;
use smp::{MutexGuard, SpinLock};

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
    fn charged_pages(&self) -> usize {
        match self {
            Body::Regular(contents) => contents.page_count(),
            Body::Symlink(text) => usize::from(text.len() > SHORT_SYMLINK),
            _ => 0,
        }
    }

    /// The nodes a directory holds, which is left empty.
    fn take_children(&mut self) -> Vec<Arc<Inode>> {
        match self {
            Body::Directory(directory) => directory.entries.lock().take_all(),
            _ => Vec::new(),
        }
    }

    fn of(what: NewNode<'_>) -> (FileType, Self) {
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

#[derive(Clone, Copy)]
struct Attributes {
    permissions: u16,
    uid: u32,
    gid: u32,
    links: u32,
    accessed: Timestamp,
    modified: Timestamp,
    changed: Timestamp,
    born: Timestamp,
}

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
        let now = clock::now();
        let attributes = Attributes {
            permissions: by.permissions,
            uid: by.uid,
            gid: by.gid,
            links: if kind == FileType::Directory { 2 } else { 1 },
            accessed: now,
            modified: now,
            changed: now,
            born: now,
        };
        let attributes = SpinLock::new(attributes);
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

    pub(super) fn change_links(&self, by: i32) {
        let mut attributes = self.attributes.lock();
        attributes.links = attributes.links.saturating_add_signed(by);
        attributes.changed = clock::now();
    }

    /// Its contents (or entries) changed.
    pub(super) fn touch(&self) {
        let now = clock::now();
        let mut attributes = self.attributes.lock();
        (attributes.modified, attributes.changed) = (now, now);
    }

    /// A program changed by another than a privileged user no longer runs for its owner (write(2)).
    fn drop_set_id(&self) {
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
    fn touch_access(&self) {
        let mut attributes = self.attributes.lock();
        if attributes.accessed <= attributes.modified {
            attributes.accessed = clock::now();
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

impl Node for Inode {
    fn id(&self) -> NodeId {
        NodeId {
            device: self.shared.device,
            inode: self.number,
        }
    }

    fn file_type(&self) -> FileType {
        self.kind
    }

    fn metadata(&self) -> Metadata {
        let attributes = *self.attributes.lock();
        let (size, blocks) = self.sizes();
        Metadata {
            id: self.id(),
            file_type: self.kind,
            permissions: attributes.permissions,
            links: attributes.links,
            uid: attributes.uid,
            gid: attributes.gid,
            device: self.device_number(),
            size,
            blocks,
            block_size: page::SIZE as u32,
            accessed: attributes.accessed,
            modified: attributes.modified,
            changed: attributes.changed,
            born: attributes.born,
        }
    }

    fn protection(&self) -> Protection {
        let attributes = self.attributes.lock();
        Protection {
            file_type: self.kind,
            permissions: attributes.permissions,
            uid: attributes.uid,
            gid: attributes.gid,
        }
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Node>> {
        let found = self.entries()?.get(name).ok_or(Errno::ENOENT)?;
        Ok(found)
    }

    fn parent(&self) -> Option<Arc<dyn Node>> {
        let parent = self.directory().ok()?.parent()?;
        Some(parent)
    }

    fn name(&self) -> Option<Vec<u8>> {
        Some(self.directory().ok()?.name()?.to_vec())
    }

    fn create(&self, name: &[u8], what: NewNode<'_>, by: Creation) -> Result<Arc<dyn Node>> {
        let mut entries = self.entries()?;
        let (kind, body) = Body::of(what);
        let number = self.shared.charge_inode()?;
        for _ in 0..body.charged_pages() {
            let charged = self.shared.charge_page();
            charged.inspect_err(|_| self.shared.release_inode())?;
        }
        let node = Inode::new(self.shared.clone(), number, kind, by, body);
        if let Body::Directory(directory) = &node.body {
            directory.set_place(&self.itself(), name);
        }
        entries.insert(name, node.clone())?;
        drop(entries);
        if kind == FileType::Directory {
            self.change_links(1);
        }
        self.touch();
        Ok(node)
    }

    fn link(&self, name: &[u8], node: &Arc<dyn Node>) -> Result<()> {
        let node = node
            .clone()
            .as_any()
            .downcast::<Inode>()
            .map_err(|_| Errno::EXDEV)?;
        // A name for what has none any more would bring a deleted file back.
        if node.attributes.lock().links == 0 {
            return Err(Errno::ENOENT);
        }
        self.entries()?.insert(name, node.clone())?;
        node.change_links(1);
        self.touch();
        Ok(())
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        let mut entries = self.entries()?;
        match entries.get(name) {
            None => return Err(Errno::ENOENT),
            Some(node) if node.kind == FileType::Directory => return Err(Errno::EISDIR),
            Some(_) => {}
        }
        let removed = entries.remove(name);
        drop(entries);
        if let Some(node) = removed {
            node.change_links(-1);
        }
        self.touch();
        Ok(())
    }

    fn rmdir(&self, name: &[u8]) -> Result<()> {
        super::rename::rmdir(self, name)
    }

    fn rename(
        &self,
        name: &[u8],
        new_directory: &Arc<dyn Node>,
        new_name: &[u8],
        mode: RenameMode,
    ) -> Result<()> {
        let target = new_directory
            .clone()
            .as_any()
            .downcast::<Inode>()
            .map_err(|_| Errno::EXDEV)?;
        super::rename::rename(self, name, &target, new_name, mode)
    }

    fn readdir(&self, from: u64, visit: &mut dyn FnMut(Entry<'_>) -> Visit) -> Result<()> {
        let directory = self.directory()?;
        let above = directory
            .parent()
            .map_or(self.number, |parent| parent.number);
        if Entry::visit_dots(self.number, above, from, visit) == Visit::Full {
            return Ok(());
        }
        directory.entries.lock().visit(from, visit);
        self.touch_access();
        Ok(())
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        match &self.body {
            Body::Symlink(text) => Ok(text.to_vec()),
            _ => Err(Errno::EINVAL),
        }
    }

    fn set_attributes(&self, change: &AttributeChange) -> Result<()> {
        let now = clock::now();
        let mut attributes = self.attributes.lock();
        let kept = *attributes;
        *attributes = Attributes {
            permissions: change.permissions.unwrap_or(kept.permissions),
            uid: change.uid.unwrap_or(kept.uid),
            gid: change.gid.unwrap_or(kept.gid),
            accessed: change.accessed.unwrap_or(kept.accessed),
            modified: change.modified.unwrap_or(kept.modified),
            changed: now,
            ..kept
        };
        Ok(())
    }

    fn truncate(&self, size: u64) -> Result<()> {
        self.contents()?.truncate(&self.shared, size)?;
        self.touch();
        Ok(())
    }

    fn allocate(&self, what: Allocation, offset: u64, length: u64) -> Result<()> {
        let contents = self.contents().map_err(|_| Errno::ENODEV)?;
        contents.allocate(&self.shared, what, offset, length)?;
        self.touch();
        Ok(())
    }

    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn File>> {
        match (&self.body, self.kind) {
            (Body::Special(number, _), FileType::CharDevice) => device::open(*number, flags),
            (Body::Special(_, attachment), FileType::Fifo) => pipe::open_fifo(attachment, flags),
            (Body::Special(..), _) => Err(Errno::ENXIO),
            (Body::Symlink(_), _) => Err(Errno::ELOOP),
            _ => Ok(self),
        }
    }

    fn page_source(self: Arc<Self>) -> Option<Arc<dyn PageSource>> {
        match self.body {
            Body::Regular(_) => Some(self),
            _ => None,
        }
    }

    fn attachment(&self) -> Option<&Attachment> {
        match &self.body {
            Body::Special(_, attachment) => Some(attachment),
            _ => None,
        }
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// An open regular file or directory is its node: there is nothing more to keep.
impl File for Inode {
    fn read(&self, offset: u64, sink: &mut Sink<'_>, _mode: IoMode) -> Result<usize> {
        let count = self.contents()?.read(offset, sink)?;
        if count > 0 {
            self.touch_access();
        }
        Ok(count)
    }

    fn write(&self, offset: u64, source: &mut Source<'_>, mode: IoMode) -> Result<usize> {
        let count = self
            .contents()?
            .write(&self.shared, offset, source, mode.append)?;
        if count > 0 {
            self.touch();
            self.drop_set_id();
        }
        Ok(count)
    }

    fn node(&self) -> Option<Arc<dyn Node>> {
        Some(self.itself())
    }

    fn seekable(&self) -> bool {
        true
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn describe(&self) -> String {
        match &self.body {
            Body::Regular(contents) => contents.label(),
            _ => String::from("directory"),
        }
    }
}
