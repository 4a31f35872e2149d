//! Files: the tree that paths name, the file systems mounted in it, and open files.
//!
//! A [`Node`] is an inode, a [`Location`] a node in the mounted tree, an [`OpenFile`] an open file
//! description, a [`FileTable`] a process's descriptors, a [`Caller`] who asks and from where.
//! [`Caller`]'s methods (operations.rs, opening.rs, attributes.rs) are the calls of POSIX with
//! their permission checks; the file systems below them ([`tmpfs`], [`procfs`], [`sysfs`]) do what
//! they are told.

mod attributes;
pub mod boot;
pub mod caller;
pub mod clock;
pub mod context;
pub mod cpio;
pub mod devfs;
pub mod device;
pub mod epoll;
pub mod eventfd;
pub mod file;
pub mod file_table;
pub mod initramfs;
pub mod lock;
pub mod memfd;
pub mod mount;
pub mod node;
pub mod open_file;
mod opening;
pub mod operations;
pub mod path;
pub mod permission;
pub mod pipe;
pub mod poll;
pub mod procfs;
pub mod signalfd;
pub mod signalled;
pub mod size_limit;
pub mod synthetic;
pub mod sysfs;
pub mod timerfd;
pub mod tmpfs;

pub use boot::{init, new_file_system};
pub use caller::Caller;
pub use context::FsContext;
pub use file::{File, IoMode, PollEvents, downcast};
pub use file_table::{Fd, FileTable};
pub use mount::Location;
pub use node::{DeviceNumber, FileSystem, FileType, Metadata, Node, NodeId, Timestamp};
pub use open_file::{OpenFile, OpenFlags};

use crate::error::Result;
use alloc::sync::Arc;

/// Opens `path` for the current process (as open(2), without a descriptor).
pub fn open(path: impl AsRef<[u8]>, flags: OpenFlags, permissions: u16) -> Result<Arc<OpenFile>> {
    Caller::current().open(None, path.as_ref(), flags, permissions)
}

#[cfg(test)]
mod tests;
