//! Nodes of synthetic file systems: what the rest of the kernel sees of a [`Made`].

use super::file::SyntheticFile;
use super::{Content, Directory, Made, Ownership};
use crate::error::{Errno, Result};
use crate::fs::file::File;
use crate::fs::node::{
    AttributeChange, DeviceNumber, Entry, FileSystem, FileType, Link, Metadata, Node, NodeId,
    Space, Visit,
};
use crate::fs::open_file::OpenFlags;
use crate::fs::{clock, device, tmpfs};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;

/// One synthetic file system.
pub struct SyntheticFs {
    name: &'static str,
    magic: u64,
    root: Arc<SyntheticNode>,
}

impl SyntheticFs {
    pub fn new(name: &'static str, magic: u64, root: impl Directory + 'static) -> Arc<Self> {
        let root = SyntheticNode::new(tmpfs::new_device(), 1, Made::directory(root), None);
        Arc::new(Self { name, magic, root })
    }
}

impl FileSystem for SyntheticFs {
    fn name(&self) -> &'static str {
        self.name
    }

    fn root(&self) -> Arc<dyn Node> {
        self.root.clone()
    }

    fn space(&self) -> Space {
        Space {
            magic: self.magic,
            block_size: 4096,
            ..Space::default()
        }
    }
}

/// A node, for as long as somebody holds it.
pub struct SyntheticNode {
    device: u64,
    number: u64,
    pub(super) made: Made,
    /// Where it was looked up; `None` for the root.
    place: Option<(Arc<SyntheticNode>, Vec<u8>)>,
    itself: Weak<SyntheticNode>,
}

impl SyntheticNode {
    fn new(
        device: u64,
        number: u64,
        made: Made,
        place: Option<(Arc<SyntheticNode>, Vec<u8>)>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|itself| Self {
            device,
            number,
            made,
            place,
            itself: itself.clone(),
        })
    }

    fn itself(&self) -> Arc<SyntheticNode> {
        self.itself
            .upgrade()
            .expect("a node in use has a reference")
    }

    /// FNV-1a over the parent's number and the name.
    fn child_number(&self, name: &[u8]) -> u64 {
        let seed = 0xcbf2_9ce4_8422_2325 ^ self.number;
        name.iter().fold(seed, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }) >> 1
    }

    fn directory(&self) -> Result<&dyn Directory> {
        match &self.made.content {
            Content::Directory(directory) => Ok(&**directory),
            _ => Err(Errno::ENOTDIR),
        }
    }
}

impl Node for SyntheticNode {
    fn id(&self) -> NodeId {
        NodeId {
            device: self.device,
            inode: self.number,
        }
    }

    fn file_type(&self) -> FileType {
        self.made.file_type()
    }

    fn metadata(&self) -> Metadata {
        let (now, ownership) = (clock::now(), self.made.ownership());
        let device = match self.made.content {
            Content::Device(number) => number,
            _ => DeviceNumber::default(),
        };
        Metadata {
            id: self.id(),
            file_type: self.file_type(),
            permissions: ownership.permissions,
            links: if self.file_type() == FileType::Directory {
                2
            } else {
                1
            },
            uid: ownership.uid,
            gid: ownership.gid,
            device,
            size: 0,
            blocks: 0,
            block_size: 1024,
            accessed: now,
            modified: now,
            changed: now,
            born: now,
        }
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Node>> {
        let made = self.directory()?.find(name).ok_or(Errno::ENOENT)?;
        let node = SyntheticNode::new(
            self.device,
            self.child_number(name),
            made,
            Some((self.itself(), name.to_vec())),
        );
        Ok(node)
    }

    fn parent(&self) -> Option<Arc<dyn Node>> {
        let (parent, _) = self.place.clone()?;
        Some(parent)
    }

    fn name(&self) -> Option<Vec<u8>> {
        self.place.as_ref().map(|(_, name)| name.clone())
    }

    fn readdir(&self, from: u64, visit: &mut dyn FnMut(Entry<'_>) -> Visit) -> Result<()> {
        let directory = self.directory()?;
        let above = self
            .place
            .as_ref()
            .map_or(self.number, |(parent, _)| parent.number);
        if Entry::visit_dots(self.number, above, from, visit) == Visit::Full {
            return Ok(());
        }
        directory.visit(from, &mut |child| {
            visit(Entry {
                name: child.name,
                inode: self.child_number(child.name),
                file_type: child.file_type,
                next: child.cookie + 1,
            })
        })
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        match &self.made.content {
            Content::Link(_, text) => text(),
            _ => Err(Errno::EINVAL),
        }
    }

    fn follow(&self) -> Result<Link> {
        match &self.made.content {
            Content::Link(follow, _) => follow(),
            _ => Err(Errno::EINVAL),
        }
    }

    fn set_attributes(&self, change: &AttributeChange) -> Result<()> {
        if let Some(kept) = &self.made.kept {
            let mut kept = kept.lock();
            *kept = Ownership {
                permissions: change.permissions.unwrap_or(kept.permissions),
                uid: change.uid.unwrap_or(kept.uid),
                gid: change.gid.unwrap_or(kept.gid),
            };
            return Ok(());
        }
        // `touch` on a writable setting is fine; owners and permissions are the kernel's.
        let times_only =
            change.permissions.is_none() && change.uid.is_none() && change.gid.is_none();
        if times_only {
            Ok(())
        } else {
            Err(Errno::EPERM)
        }
    }

    fn truncate(&self, _size: u64) -> Result<()> {
        match &self.made.content {
            // `echo value >setting` opens with O_TRUNC.
            Content::Text(_, Some(_)) => Ok(()),
            _ => Err(Errno::EINVAL),
        }
    }

    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn File>> {
        match &self.made.content {
            Content::Device(number) => device::open(*number, flags),
            Content::Link(..) => Err(Errno::ELOOP),
            _ => Ok(Arc::new(SyntheticFile::new(self))),
        }
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
