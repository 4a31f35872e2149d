//! Inodes: the [`Node`] trait that every file system implements, and what describes a node.
//!
//! Nodes do what they are told: permissions are checked above, in [`operations`](super::operations).
//! Names are bytes without `/`, never empty, `.` or `..` (the path walker deals with those).

mod metadata;

use super::file::File;
use super::mount::Location;
use super::open_file::{OpenFile, OpenFlags};
use crate::error::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use mm::PageSource;
use smp::SpinLock;

pub use metadata::{DeviceNumber, FileType, Metadata, NodeId, Protection, Timestamp};

/// The longest name of one directory entry (NAME_MAX).
pub const NAME_MAX: usize = 255;

/// What to make in a directory.
#[derive(Clone, Copy, Debug)]
pub enum NewNode<'a> {
    Regular,
    Directory,
    Symlink(&'a [u8]),
    Fifo,
    Socket,
    CharDevice(DeviceNumber),
    BlockDevice(DeviceNumber),
}

/// Whose a new node is and with which permissions (umask already taken off).
#[derive(Clone, Copy, Debug)]
pub struct Creation {
    pub permissions: u16,
    pub uid: u32,
    pub gid: u32,
}

/// What to change of a node's attributes; `None` stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttributeChange {
    pub permissions: Option<u16>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub accessed: Option<Timestamp>,
    pub modified: Option<Timestamp>,
}

/// What renaming does when the target exists (renameat2(2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RenameMode {
    Replace,
    /// `RENAME_NOREPLACE`.
    KeepTarget,
    /// `RENAME_EXCHANGE`.
    Exchange,
}

/// One directory entry as readdir gives it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub name: &'a [u8],
    pub inode: u64,
    pub file_type: FileType,
    /// Where to go on after this entry.
    pub next: u64,
}

impl Entry<'_> {
    /// Lists `.` and `..`, the inodes `own` and `above`, as far as `from` leaves them to do: every
    /// directory's first two entries.
    pub fn visit_dots(
        own: u64,
        above: u64,
        from: u64,
        visit: &mut dyn FnMut(Entry<'_>) -> Visit,
    ) -> Visit {
        let dots: [(&[u8], u64); 2] = [(b".", own), (b"..", above)];
        for (index, (name, inode)) in (0u64..).zip(dots) {
            let entry = Entry {
                name,
                inode,
                file_type: FileType::Directory,
                next: index + 1,
            };
            if from <= index && visit(entry) == Visit::Full {
                return Visit::Full;
            }
        }
        Visit::Continue
    }
}

/// Whether a directory listing goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Visit {
    Continue,
    /// The entry was not taken; the listing ends before it.
    Full,
}

/// Where a symbolic link leads.
pub enum Link {
    Path(Vec<u8>),
    /// Straight to a place (`/proc/<pid>/cwd`, `exe`, `root`).
    Place(Location),
    /// Straight to an open file (`/proc/<pid>/fd/N`).
    Open(Arc<OpenFile>),
}

/// What a fallocate(2) asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Allocation {
    /// Reserve; grow the size when the flag says so.
    Reserve { keep_size: bool },
    /// Give the range back; it reads as zeros.
    PunchHole,
    /// As a hole and then reserved.
    ZeroRange { keep_size: bool },
}

/// What a FIFO or a bound UNIX socket keeps at its node: the pipe, the listening socket.
pub type Attachment = SpinLock<Option<Arc<dyn Any + Send + Sync>>>;

/// An inode.
///
/// Directory calls on other nodes answer `ENOTDIR`, changes on file systems made by the kernel
/// `EPERM`; both are the defaults here.
pub trait Node: Any + Send + Sync {
    fn id(&self) -> NodeId;
    fn file_type(&self) -> FileType;
    fn metadata(&self) -> Metadata;

    /// What every step of a path asks; to be overridden where it costs less than all of it.
    fn protection(&self) -> Protection {
        (&self.metadata()).into()
    }

    /// The entry `name` of this directory.
    fn lookup(&self, _name: &[u8]) -> Result<Arc<dyn Node>> {
        Err(Errno::ENOTDIR)
    }

    /// The directory this directory is in; `None` for a root.
    fn parent(&self) -> Option<Arc<dyn Node>> {
        None
    }

    /// What its parent calls this directory, if it knows; otherwise the parent is looked through.
    fn name(&self) -> Option<Vec<u8>> {
        None
    }

    fn create(&self, _name: &[u8], _what: NewNode<'_>, _by: Creation) -> Result<Arc<dyn Node>> {
        Err(self.no_change())
    }

    /// A further name for `node`, which is of the same file system.
    fn link(&self, _name: &[u8], _node: &Arc<dyn Node>) -> Result<()> {
        Err(self.no_change())
    }

    fn unlink(&self, _name: &[u8]) -> Result<()> {
        Err(self.no_change())
    }

    fn rmdir(&self, _name: &[u8]) -> Result<()> {
        Err(self.no_change())
    }

    /// Moves `name` to `new_name` in `new_directory`, which is of the same file system.
    fn rename(
        &self,
        _name: &[u8],
        _new_directory: &Arc<dyn Node>,
        _new_name: &[u8],
        _mode: RenameMode,
    ) -> Result<()> {
        Err(self.no_change())
    }

    /// Calls `visit` for each entry from cookie `from` on (0: the first), `.` and `..` included.
    fn readdir(&self, _from: u64, _visit: &mut dyn FnMut(Entry<'_>) -> Visit) -> Result<()> {
        Err(Errno::ENOTDIR)
    }

    /// The text of a symbolic link.
    fn readlink(&self) -> Result<Vec<u8>> {
        Err(Errno::EINVAL)
    }

    /// Where a symbolic link leads.
    fn follow(&self) -> Result<Link> {
        Ok(Link::Path(self.readlink()?))
    }

    fn set_attributes(&self, _change: &AttributeChange) -> Result<()> {
        Err(Errno::EPERM)
    }

    fn truncate(&self, _size: u64) -> Result<()> {
        Err(if self.file_type() == FileType::Directory {
            Errno::EISDIR
        } else {
            Errno::EINVAL
        })
    }

    fn allocate(&self, _what: Allocation, _offset: u64, _length: u64) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// A file on this node; directories and FIFOs included.
    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn File>>;

    /// Its pages, for mmap(2); `None` where it cannot be mapped (`ENODEV`).
    fn page_source(self: Arc<Self>) -> Option<Arc<dyn PageSource>> {
        None
    }

    /// What is attached to a FIFO or socket node.
    fn attachment(&self) -> Option<&Attachment> {
        None
    }

    /// For downcasts within one file system.
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;

    /// The error for an attempt to change a directory that only the kernel changes.
    #[doc(hidden)]
    fn no_change(&self) -> Errno {
        if self.file_type() == FileType::Directory {
            Errno::EPERM
        } else {
            Errno::ENOTDIR
        }
    }
}

/// Sizes as statfs(2) tells them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Space {
    /// The file system's magic number (`f_type`).
    pub magic: u64,
    pub block_size: u64,
    pub blocks: u64,
    pub free_blocks: u64,
    pub inodes: u64,
    pub free_inodes: u64,
}

/// One instance of a file system.
pub trait FileSystem: Send + Sync {
    /// The type, as in /proc/filesystems.
    fn name(&self) -> &'static str;
    fn root(&self) -> Arc<dyn Node>;
    fn space(&self) -> Space;
}
