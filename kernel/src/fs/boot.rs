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

/// A file system of type `kind` for mount(2) with its `options`; `ENODEV` if there is no such
/// type, `EINVAL` for an option it does not know.
pub fn new_file_system(kind: &str, options: &str) -> Result<Arc<dyn FileSystem>> {
    match kind {
        "tmpfs" | "ramfs" => Ok(new_tmpfs(options)?),
        _ if !options.is_empty() => Err(Errno::EINVAL),
        "proc" => Ok(procfs::file_system()),
        "sysfs" => Ok(sysfs::file_system()),
        // The one there is, wherever it is mounted: ttyname(3) compares device numbers.
        "devpts" | "devtmpfs" => {
            let mounts = mount::all();
            let found = mounts.iter().find(|mount| mount.file_system.name() == kind);
            found
                .map(|mount| mount.file_system.clone())
                .ok_or(Errno::ENODEV)
        }
        _ => Err(Errno::ENODEV),
    }
}

/// A tmpfs with the options `size=` (bytes, with k, m, g, or a percentage of memory) and `mode=`.
fn new_tmpfs(options: &str) -> Result<Arc<TmpFs>> {
    let (mut capacity, mut permissions) = (half_of_memory(), 0o1777);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", size)) => capacity = pages(size).ok_or(Errno::EINVAL)?,
            Some(("mode", mode)) => {
                let mode = u16::from_str_radix(mode, 8)
                    .ok()
                    .filter(|mode| *mode <= 0o7777);
                permissions = mode.ok_or(Errno::EINVAL)?;
            }
            _ => return Err(Errno::EINVAL),
        }
    }
    Ok(TmpFs::new("tmpfs", capacity, permissions))
}

fn pages(size: &str) -> Option<usize> {
    let digits = size.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let number: usize = digits.parse().ok()?;
    let shift = match &size[digits.len()..] {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        "%" => return Some(mm::stats().total_frames.checked_mul(number)? / 100),
        _ => return None,
    };
    Some(number.checked_mul(1 << shift)?.div_ceil(mm::PAGE_SIZE))
}

/// The types of file systems, for /proc/filesystems.
pub const TYPES: [&str; 5] = ["tmpfs", "proc", "sysfs", "devpts", "devtmpfs"];

/// What a tmpfs may hold: half of the machine's memory, as on Linux.
fn half_of_memory() -> usize {
    mm::stats().total_frames / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_understood_or_refused() {
        mm::testing::install();
        let blocks = |options| new_file_system("tmpfs", options).map(|made| made.space().blocks);
        assert_eq!(blocks("size=8k"), Ok(2));
        assert_eq!(blocks("mode=755,size=1M"), Ok(256));
        assert_eq!(blocks("size=50%"), blocks(""));
        for options in [
            "size=",
            "size=x",
            "size=1q",
            "mode=9",
            "size=99999999999999999999",
            "huge=1",
        ] {
            assert_eq!(blocks(options), Err(Errno::EINVAL), "{options}");
        }
        assert_eq!(
            new_file_system("proc", "hidepid=2").err(),
            Some(Errno::EINVAL)
        );
        assert_eq!(new_file_system("ext9", "").err(), Some(Errno::ENODEV));
    }
}
