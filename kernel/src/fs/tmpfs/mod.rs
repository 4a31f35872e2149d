//! tmpfs: files that live in memory. Root, /tmp, /dev (as devtmpfs), /dev/shm and memfd use it.
//!
//! [`Inode`](inode::Inode) is every kind of node; [`directory`] holds entries, [`contents`] the
//! pages of a regular file. Pages are the very frames that mmap(2) maps, so a shared mapping and
//! read(2) see the same bytes.
//!
//! Locks, outermost first: [`Shared::tree`] (renames, rmdir), the entries of at most two
//! directories (lower inode number first), [`Inode::attributes`](inode::Inode). In a regular file:
//! `writer` (held across copies from user memory), then `pages` (never held across one, because a
//! page fault on a mapping of the file takes it).

pub mod contents;
pub mod directory;
pub mod inode;
pub mod page;
mod rename;

use super::node::{Creation, FileSystem, FileType, Node, Space};
use crate::error::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use inode::{Body, Inode};
use smp::Mutex;

/// `TMPFS_MAGIC` of statfs(2).
const MAGIC: u64 = 0x0102_1994;
/// Inodes live on the heap and are charged to nobody: there may be as many as pages, which keeps
/// them to a fraction of the memory; a small file system may have this many all the same.
const MIN_INODES: usize = 1024;

/// The free memory of the machine is looked at once in so many pages: it takes a sum over CPUs.
const LOOK_EVERY: usize = 32;

/// Whether less than a sixteenth of the memory (at most 32 MiB) is free.
fn memory_is_low() -> bool {
    let stats = mm::stats();
    stats.free_frames < (stats.total_frames / 16).min(8192)
}

static NEXT_DEVICE: AtomicU64 = AtomicU64::new(0x10);

/// A device number for a file system instance (`st_dev`).
pub fn new_device() -> u64 {
    NEXT_DEVICE.fetch_add(1, Ordering::Relaxed)
}

/// What all nodes of one instance share.
pub struct Shared {
    name: &'static str,
    device: u64,
    /// The most pages that may be in use.
    capacity: usize,
    pages: AtomicUsize,
    inodes: AtomicUsize,
    next_inode: AtomicU64,
    /// Held while the shape of the tree changes: directories move or go.
    tree: Mutex<()>,
}

impl Shared {
    /// Takes room for one page; `ENOSPC` when the file system is full, or memory so low that
    /// programs would have to die for a file: killing one gives no file's pages back.
    fn charge_page(&self) -> Result<()> {
        let room = |used: usize| {
            let look = used.is_multiple_of(LOOK_EVERY);
            let full = used >= self.capacity || (look && memory_is_low());
            (!full).then_some(used + 1)
        };
        let charged = self
            .pages
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        charged.map(|_| ()).map_err(|_| Errno::ENOSPC)
    }

    fn release_pages(&self, count: usize) {
        self.pages.fetch_sub(count, Ordering::Relaxed);
    }

    /// Whether `count` more pages would fit.
    fn has_room(&self, count: u64) -> bool {
        let free = self
            .capacity
            .saturating_sub(self.pages.load(Ordering::Relaxed));
        count <= free as u64
    }

    fn max_inodes(&self) -> usize {
        self.capacity.max(MIN_INODES)
    }

    fn charge_inode(&self) -> Result<u64> {
        let room = |used: usize| (used < self.max_inodes()).then_some(used + 1);
        let charged = self
            .inodes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        charged.map_err(|_| Errno::ENOSPC)?;
        Ok(self.next_inode.fetch_add(1, Ordering::Relaxed))
    }

    fn release_inode(&self) {
        self.inodes.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One instance.
pub struct TmpFs {
    shared: Arc<Shared>,
    root: Arc<Inode>,
}

impl TmpFs {
    /// An empty file system of type `name` for at most `capacity` pages; its root has `permissions`.
    pub fn new(name: &'static str, capacity: usize, permissions: u16) -> Arc<Self> {
        let shared = Arc::new(Shared {
            name,
            device: new_device(),
            capacity,
            pages: AtomicUsize::new(0),
            inodes: AtomicUsize::new(1),
            next_inode: AtomicU64::new(2),
            tree: Mutex::new(()),
        });
        let by = Creation {
            permissions,
            uid: 0,
            gid: 0,
        };
        let root = Inode::new(
            shared.clone(),
            1,
            FileType::Directory,
            by,
            Body::directory(),
        );
        Arc::new(Self { shared, root })
    }

    /// A file without a name, for memfd_create(2).
    pub fn unnamed(&self, label: &[u8], sealable: bool, by: Creation) -> Result<Arc<dyn Node>> {
        let number = self.shared.charge_inode()?;
        let body = Body::Regular(contents::Contents::labelled(label, sealable));
        let inode = Inode::new(self.shared.clone(), number, FileType::Regular, by, body);
        inode.change_links(-1);
        Ok(inode)
    }
}

impl FileSystem for TmpFs {
    fn name(&self) -> &'static str {
        self.shared.name
    }

    fn root(&self) -> Arc<dyn Node> {
        self.root.clone()
    }

    fn space(&self) -> Space {
        let used = self.shared.pages.load(Ordering::Relaxed);
        let inodes = self.shared.inodes.load(Ordering::Relaxed);
        Space {
            magic: MAGIC,
            block_size: page::SIZE as u64,
            blocks: self.shared.capacity as u64,
            free_blocks: self.shared.capacity.saturating_sub(used) as u64,
            inodes: self.shared.max_inodes() as u64,
            free_inodes: (self.shared.max_inodes() - inodes) as u64,
        }
    }
}
