//! What may be asked of a node by name.

use super::Inode;
use super::body::Body;
use crate::error::{Errno, Result};
use crate::fs::file::File;
use crate::fs::node::{
    Allocation, Attachment, AttributeChange, Creation, Entry, FileType, Metadata, NewNode, Node,
    NodeId, Protection, RenameMode, Visit,
};
use crate::fs::open_file::OpenFlags;
use crate::fs::tmpfs::page;
use crate::fs::tmpfs::rename;
use crate::fs::{device, pipe};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use mm::PageSource;

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
        rename::rmdir(self, name)
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
        rename::rename(self, name, &target, new_name, mode)
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
        self.attributes.lock().change(change);
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
