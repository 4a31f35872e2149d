//! Nodes that exist only while somebody looks: what procfs, sysfs and devpts are made of.
//!
//! A [`Directory`] lists and finds its children when asked; a [`Made`] says what a child is. A
//! node's number is a hash of its path, so it is the same each time it is looked up.

use super::device;
use super::file::{File, IoMode};
use super::node::{
    AttributeChange, DeviceNumber, Entry, FileSystem, FileType, Link, Metadata, Node, NodeId,
    Space, Visit,
};
use super::open_file::OpenFlags;
use crate::error::{Errno, Result};
use crate::fs::clock;
use crate::user_memory::{Sink, Source};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use smp::Mutex;

/// The first cookie of a listing that is not `.` or `..`.
pub const FIRST_COOKIE: u64 = 2;
/// The longest text that one write may carry.
const MAX_WRITE: usize = 4096;

/// One name in a listing.
pub struct Child {
    pub name: Vec<u8>,
    pub file_type: FileType,
    /// Its place in the listing, ascending and from [`FIRST_COOKIE`] on; keeps to the name.
    pub cookie: u64,
}

/// A directory whose entries are made up when asked for.
pub trait Directory: Send + Sync {
    fn list(&self) -> Vec<Child>;
    fn find(&self, name: &[u8]) -> Option<Made>;
}

type ReadText = Box<dyn Fn() -> Result<Vec<u8>> + Send + Sync>;
type WriteText = Box<dyn Fn(&[u8]) -> Result<()> + Send + Sync>;
type FollowLink = Box<dyn Fn() -> Result<Link> + Send + Sync>;

/// What a node is.
pub enum Content {
    Directory(Box<dyn Directory>),
    Text(ReadText, Option<WriteText>),
    /// Where it leads, and what readlink(2) tells.
    Link(FollowLink, ReadText),
    Device(DeviceNumber),
}

/// A node as its directory describes it.
pub struct Made {
    pub content: Content,
    pub permissions: u16,
    pub uid: u32,
    pub gid: u32,
}

impl Made {
    fn new(content: Content, permissions: u16) -> Self {
        Self {
            content,
            permissions,
            uid: 0,
            gid: 0,
        }
    }

    pub fn directory(directory: impl Directory + 'static) -> Self {
        Self::new(Content::Directory(Box::new(directory)), 0o555)
    }

    /// A file with this text, made anew for each reading.
    pub fn text(text: impl Fn() -> Result<String> + Send + Sync + 'static) -> Self {
        Self::bytes(move || text().map(String::into_bytes))
    }

    pub fn bytes(read: impl Fn() -> Result<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::new(Content::Text(Box::new(read), None), 0o444)
    }

    /// A symbolic link with this text.
    pub fn link(text: impl Fn() -> Result<String> + Send + Sync + Clone + 'static) -> Self {
        let follow = text.clone();
        Self::magic_link(
            move || Ok(Link::Path(follow()?.into_bytes())),
            move || Ok(text()?.into_bytes()),
        )
    }

    /// A link that leads elsewhere than its text says.
    pub fn magic_link(
        follow: impl Fn() -> Result<Link> + Send + Sync + 'static,
        text: impl Fn() -> Result<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self::new(Content::Link(Box::new(follow), Box::new(text)), 0o777)
    }

    pub fn device(number: DeviceNumber, permissions: u16) -> Self {
        Self::new(Content::Device(number), permissions)
    }

    /// Makes a text file writable for its owner.
    pub fn writable(mut self, write: impl Fn(&[u8]) -> Result<()> + Send + Sync + 'static) -> Self {
        if let Content::Text(_, slot) = &mut self.content {
            *slot = Some(Box::new(write));
        }
        self.permissions |= 0o200;
        self
    }

    pub fn owned_by(mut self, uid: u32, gid: u32) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    pub fn with_permissions(mut self, permissions: u16) -> Self {
        self.permissions = permissions;
        self
    }

    fn file_type(&self) -> FileType {
        match self.content {
            Content::Directory(_) => FileType::Directory,
            Content::Text(..) => FileType::Regular,
            Content::Link(..) => FileType::Symlink,
            Content::Device(_) => FileType::CharDevice,
        }
    }
}

/// A name and how its node is made.
type Row = (&'static str, fn() -> Made);

/// A directory with fixed names.
pub struct Table(pub &'static [Row]);

impl Directory for Table {
    fn list(&self) -> Vec<Child> {
        let numbered = (FIRST_COOKIE..).zip(self.0);
        numbered
            .map(|(cookie, (name, make))| Child {
                name: name.as_bytes().to_vec(),
                file_type: make().file_type(),
                cookie,
            })
            .collect()
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        self.0
            .iter()
            .find(|(known, _)| known.as_bytes() == name)
            .map(|(_, make)| make())
    }
}

/// One synthetic file system.
pub struct SyntheticFs {
    name: &'static str,
    magic: u64,
    root: Arc<SyntheticNode>,
}

impl SyntheticFs {
    pub fn new(name: &'static str, magic: u64, root: impl Directory + 'static) -> Arc<Self> {
        let root = SyntheticNode::new(super::tmpfs::new_device(), 1, Made::directory(root), None);
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
    made: Made,
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
        let now = clock::now();
        let device = match self.made.content {
            Content::Device(number) => number,
            _ => DeviceNumber::default(),
        };
        Metadata {
            id: self.id(),
            file_type: self.file_type(),
            permissions: self.made.permissions,
            links: if self.file_type() == FileType::Directory {
                2
            } else {
                1
            },
            uid: self.made.uid,
            gid: self.made.gid,
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
        let dots: [(&[u8], u64); 2] = [(b".", self.number), (b"..", above)];
        for (index, (name, inode)) in (0u64..).zip(dots) {
            let entry = Entry {
                name,
                inode,
                file_type: FileType::Directory,
                next: index + 1,
            };
            if from <= index && visit(entry) == Visit::Full {
                return Ok(());
            }
        }
        for child in directory.list().iter().filter(|child| child.cookie >= from) {
            let inode = self.child_number(&child.name);
            let entry = Entry {
                name: &child.name,
                inode,
                file_type: child.file_type,
                next: child.cookie + 1,
            };
            if visit(entry) == Visit::Full {
                break;
            }
        }
        Ok(())
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
            _ => Ok(Arc::new(SyntheticFile {
                node: self,
                text: Mutex::new(None),
            })),
        }
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// An open synthetic file: the text as it was when reading began.
struct SyntheticFile {
    node: Arc<SyntheticNode>,
    text: Mutex<Option<Vec<u8>>>,
}

impl File for SyntheticFile {
    fn read(&self, offset: u64, sink: &mut Sink<'_>, _mode: IoMode) -> Result<usize> {
        let Content::Text(read, _) = &self.node.made.content else {
            return Err(Errno::EISDIR);
        };
        let mut text = self.text.lock();
        if offset == 0 || text.is_none() {
            *text = Some(read()?);
        }
        let bytes = text.as_deref().unwrap_or_default();
        let start = usize::try_from(offset).map_or(bytes.len(), |offset| offset.min(bytes.len()));
        sink.put(&bytes[start..])
    }

    fn write(&self, _offset: u64, source: &mut Source<'_>, _mode: IoMode) -> Result<usize> {
        let Content::Text(_, Some(write)) = &self.node.made.content else {
            return Err(Errno::EINVAL);
        };
        let mut bytes = alloc::vec![0; source.remaining().min(MAX_WRITE)];
        let count = source.take(&mut bytes)?;
        write(&bytes[..count])?;
        Ok(count)
    }

    fn node(&self) -> Option<Arc<dyn Node>> {
        Some(self.node.clone())
    }

    fn seekable(&self) -> bool {
        true
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn describe(&self) -> String {
        String::from("synthetic")
    }
}
