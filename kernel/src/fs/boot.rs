//! The file tree at boot: an empty root, the initramfs in it, and the kernel's own file systems.

use super::caller::Caller;
use super::mount::{self, Location};
use super::node::{FileSystem, FileType, NewNode};
use super::tmpfs::TmpFs;
use super::{devfs, initramfs, procfs, sysfs};
use crate::error::{Errno, Result};
use alloc::string::ToString;
use alloc::sync::Arc;

/// Makes the file tree. Afterwards nothing refers to `initrd` any more.
///
/// What cannot be made is logged and left out: a system without /sys is better than none.
pub fn init(initrd: &[u8]) {
    // Room for what was packed, on top of what a tmpfs may hold.
    let root = TmpFs::new(
        "tmpfs",
        half_of_memory() + initrd.len() / mm::PAGE_SIZE,
        0o755,
    );
    if let Err(error) = mount::attach(root.clone(), root.root(), None, "root".to_string()) {
        panic!("the root file system cannot be mounted: {error:?}");
    }
    let unpacked = initramfs::unpack(Caller::kernel(), initrd);
    log::info!(
        "root: {} entries, {} KiB unpacked, {} errors",
        unpacked.entries,
        unpacked.bytes / 1024,
        unpacked.errors
    );
    devfs::register();
    mount_at("/dev", TmpFs::new("devtmpfs", 1024, 0o755));
    if let Err(error) = devfs::populate() {
        log::error!("/dev is incomplete: {error:?}");
    }
    mount_at("/dev/pts", devfs::devpts());
    mount_at("/dev/shm", TmpFs::new("tmpfs", half_of_memory(), 0o1777));
    mount_at("/proc", procfs::file_system());
    mount_at("/sys", sysfs::file_system());
}

/// Mounts, making the directory if need be.
fn mount_at(path: &str, file_system: Arc<dyn FileSystem>) {
    if let Err(error) = try_mount_at(path, file_system) {
        log::error!("{path} cannot be mounted: {error:?}");
    }
}

fn try_mount_at(path: &str, file_system: Arc<dyn FileSystem>) -> Result<Location> {
    let caller = Caller::kernel();
    let place = match caller.find(None, path.as_bytes(), true) {
        Err(Errno::ENOENT) => caller.make(None, path.as_bytes(), NewNode::Directory, 0o755)?,
        found => found?,
    };
    if place.node.file_type() != FileType::Directory {
        return Err(Errno::ENOTDIR);
    }
    let (root, name) = (file_system.root(), file_system.name().to_string());
    mount::attach(file_system, root, Some(place), name)
}

/// A file system of type `kind` for mount(2); `ENODEV` if there is no such type.
pub fn new_file_system(kind: &str) -> Result<Arc<dyn FileSystem>> {
    match kind {
        "tmpfs" | "ramfs" => Ok(TmpFs::new("tmpfs", half_of_memory(), 0o1777)),
        "proc" => Ok(procfs::file_system()),
        "sysfs" => Ok(sysfs::file_system()),
        "devpts" => Ok(devfs::devpts()),
        // The one /dev there is, wherever it is mounted.
        "devtmpfs" => {
            let found = mount::all()
                .into_iter()
                .find(|mount| mount.file_system.name() == "devtmpfs");
            found
                .map(|mount| mount.file_system.clone())
                .ok_or(Errno::ENODEV)
        }
        _ => Err(Errno::ENODEV),
    }
}

/// The types of file systems, for /proc/filesystems.
pub const TYPES: [&str; 5] = ["tmpfs", "proc", "sysfs", "devpts", "devtmpfs"];

/// What a tmpfs may hold: half of the machine's memory, as on Linux.
fn half_of_memory() -> usize {
    mm::stats().total_frames / 2
}
