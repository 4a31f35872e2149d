//! The mounted tree: which file system is where, and walking across mount points.
//!
//! A [`Location`] is a node seen through a mount. Directories know their parents, so a path is
//! told from a location by climbing; there is no name cache to keep right.

use super::node::{Entry, FileSystem, FileType, Node, NodeId, Visit};
use crate::error::{Errno, Result};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bitflags::bitflags;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use smp::SpinLock;

/// The longest path (PATH_MAX, with its NUL).
pub const PATH_MAX: usize = 4096;

bitflags! {
    /// What a mount forbids; the values are those of mount(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct MountFlags: u32 {
        const READ_ONLY = 1;
        /// Set-user-id and set-group-id bits of programs do nothing.
        const NO_SET_ID = 2;
        const NO_DEVICES = 4;
        const NO_EXECUTE = 8;
    }
}

/// A file system (or a part of it: a bind mount) at a place in the tree.
pub struct Mount {
    pub id: u32,
    pub file_system: Arc<dyn FileSystem>,
    pub root: Arc<dyn Node>,
    /// The directory it covers; `None` for the root of the tree.
    pub place: Option<Location>,
    /// Names the same directory: of which mount, and which node.
    covers: Option<(u32, NodeId)>,
    /// The device or whatever else mount(2) was given as source.
    pub source: String,
    flags: AtomicU32,
    /// A bit for each directory of this one that another covers ([`bit`]): a walk looks into the
    /// table of mounts only where one of them is. Changes with the table.
    covered: AtomicU64,
}

impl Mount {
    pub fn flags(&self) -> MountFlags {
        MountFlags::from_bits_truncate(self.flags.load(Ordering::Relaxed))
    }

    pub fn set_flags(&self, flags: MountFlags) {
        self.flags.store(flags.bits(), Ordering::Relaxed);
    }

    pub fn read_only(&self) -> bool {
        self.flags().contains(MountFlags::READ_ONLY)
    }
}

/// A node in the mounted tree.
#[derive(Clone)]
pub struct Location {
    pub mount: Arc<Mount>,
    pub node: Arc<dyn Node>,
}

impl Location {
    pub fn same(&self, other: &Location) -> bool {
        self.name() == other.name()
    }

    /// What tells it from every other place.
    fn name(&self) -> (u32, NodeId) {
        (self.mount.id, self.node.id())
    }

    pub fn is_mount_root(&self) -> bool {
        self.node.id() == self.mount.root.id()
    }

    /// Another node of the same mount.
    pub fn with_node(&self, node: Arc<dyn Node>) -> Location {
        Location {
            mount: self.mount.clone(),
            node,
        }
    }

    /// The root of what is mounted here, or itself.
    pub fn cross(self) -> Location {
        let mut here = self;
        while here.mount.covered.load(Ordering::Acquire) & bit(here.node.id()) != 0
            && here.node.file_type() == FileType::Directory
        {
            match mounted_on(&here) {
                Some(mount) => {
                    here = Location {
                        node: mount.root.clone(),
                        mount,
                    }
                }
                None => break,
            }
        }
        here
    }

    /// The directory above, not above `ceiling` (the process's root).
    pub fn parent(&self, ceiling: &Location) -> Location {
        let mut here = self.clone();
        while !here.same(ceiling) {
            if !here.is_mount_root() {
                let Some(parent) = here.node.parent() else {
                    return here;
                };
                return here.with_node(parent);
            }
            let Some(place) = here.mount.place.clone() else {
                return here;
            };
            here = place;
        }
        here
    }

    /// The path from `ceiling` to this directory; `ENOENT` if it was removed, `ENAMETOOLONG` past
    /// [`PATH_MAX`].
    /// A directory that is not below `ceiling` has its path from the root of the tree.
    pub fn path(&self, ceiling: &Location) -> Result<Vec<u8>> {
        self.climb(ceiling).map(|(path, _)| path)
    }

    /// The same; `None` for a directory that is not below `ceiling`.
    pub fn path_below(&self, ceiling: &Location) -> Result<Option<Vec<u8>>> {
        self.climb(ceiling)
            .map(|(path, below)| below.then_some(path))
    }

    /// The path as far as it goes up, and whether that is to `ceiling`.
    fn climb(&self, ceiling: &Location) -> Result<(Vec<u8>, bool)> {
        let (mut names, mut length): (Vec<Vec<u8>>, usize) = (Vec::new(), 1);
        let mut here = self.clone();
        while !here.same(ceiling) {
            if here.is_mount_root() {
                let Some(place) = here.mount.place.clone() else {
                    break;
                };
                here = place;
                continue;
            }
            let parent = here.node.parent().ok_or(Errno::ENOENT)?;
            let name = match here.node.name() {
                Some(name) => name,
                None => name_of(&*parent, here.node.id().inode)?,
            };
            length += 1 + name.len();
            if length > PATH_MAX {
                return Err(Errno::ENAMETOOLONG);
            }
            names.push(name);
            here = here.with_node(parent);
        }
        Ok((join(names), here.same(ceiling)))
    }
}

/// Puts climbed names (innermost first) together into an absolute path.
fn join(names: Vec<Vec<u8>>) -> Vec<u8> {
    let mut path = Vec::new();
    for name in names.iter().rev() {
        path.push(b'/');
        path.extend_from_slice(name);
    }
    if path.is_empty() {
        path.push(b'/');
    }
    path
}

/// The name under which `directory` holds the directory with number `inode`.
fn name_of(directory: &dyn Node, inode: u64) -> Result<Vec<u8>> {
    let mut name = None;
    directory.readdir(0, &mut |entry: Entry<'_>| {
        let dots = matches!(entry.name, b"." | b"..");
        if name.is_none() && entry.inode == inode && !dots {
            name = Some(entry.name.to_vec());
        }
        Visit::Continue
    })?;
    name.ok_or(Errno::ENOENT)
}

/// Every mount, in the order they were made; the first is the root.
static MOUNTS: SpinLock<Vec<Arc<Mount>>> = SpinLock::new(Vec::new());
static NEXT_ID: AtomicU32 = AtomicU32::new(1);

fn mounted_on(place: &Location) -> Option<Arc<Mount>> {
    let wanted = Some(place.name());
    let mounts = MOUNTS.lock();
    mounts
        .iter()
        .rev()
        .find(|mount| mount.covers == wanted)
        .cloned()
}

/// The bit of a node, which it shares with one in 64 others.
fn bit(node: NodeId) -> u64 {
    1 << (node.inode % 64)
}

/// `changed` has come into the table or left it: sets the bits of the mount it is on anew.
fn note_covered(mounts: &[Arc<Mount>], changed: &Mount) {
    let Some(place) = &changed.place else { return };
    let on_it = mounts.iter().filter_map(|mount| mount.covers);
    let bits = on_it
        .filter(|(mount, _)| *mount == place.mount.id)
        .fold(0, |bits, (_, node)| bits | bit(node));
    place.mount.covered.store(bits, Ordering::Release);
}

/// All mounts, for /proc/mounts.
pub fn all() -> Vec<Arc<Mount>> {
    MOUNTS.lock().clone()
}

/// The root of the tree. Panics before the root is mounted: boot order.
pub fn root() -> Location {
    let mount = MOUNTS
        .lock()
        .first()
        .cloned()
        .expect("the root file system is mounted at boot");
    Location {
        node: mount.root.clone(),
        mount,
    }
}

/// A mount that no path leads to.
pub fn detached(
    file_system: Arc<dyn FileSystem>,
    root: Arc<dyn Node>,
    place: Option<Location>,
    source: String,
) -> Arc<Mount> {
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    let (flags, covered) = (AtomicU32::new(0), AtomicU64::new(0));
    Arc::new(Mount {
        covers: place.as_ref().map(Location::name),
        id,
        file_system,
        root,
        place,
        source,
        flags,
        covered,
    })
}

/// Mounts `root` (of `file_system`) on the directory `place`; `None`: as the root of the tree.
pub fn attach(
    file_system: Arc<dyn FileSystem>,
    root: Arc<dyn Node>,
    place: Option<Location>,
    source: String,
) -> Result<Location> {
    let directory = |node: &Arc<dyn Node>| node.file_type() == FileType::Directory;
    if !directory(&root) || place.as_ref().is_some_and(|place| !directory(&place.node)) {
        return Err(Errno::ENOTDIR);
    }
    let mount = detached(file_system, root, place, source);
    let mut mounts = MOUNTS.lock();
    mounts.push(mount.clone());
    note_covered(&mounts, &mount);
    drop(mounts);
    Ok(Location {
        node: mount.root.clone(),
        mount,
    })
}

/// Takes a mount out of the tree: `EINVAL` if `place` is not its root, `EBUSY` while it is in use,
/// unless `lazy`.
pub fn detach(place: Location, lazy: bool) -> Result<()> {
    if !place.is_mount_root() || place.mount.place.is_none() {
        return Err(Errno::EINVAL);
    }
    let mount = place.mount.clone();
    drop(place);
    let mut mounts = MOUNTS.lock();
    // The table's reference and ours; open files, working directories and inner mounts hold more.
    if !lazy && Arc::strong_count(&mount) > 2 {
        return Err(Errno::EBUSY);
    }
    let index = mounts
        .iter()
        .position(|other| Arc::ptr_eq(other, &mount))
        .ok_or(Errno::EINVAL)?;
    let removed = mounts.remove(index);
    note_covered(&mounts, &removed);
    drop(mounts);
    Ok(())
}
