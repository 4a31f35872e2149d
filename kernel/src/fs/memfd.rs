//! Files without a path: memfd_create(2).

use super::caller::Caller;
use super::mount::{self, Location, Mount};
use super::node::{Creation, FileSystem};
use super::open_file::{OpenFile, OpenFlags, Opened};
use super::tmpfs::TmpFs;
use crate::error::Result;
use alloc::string::String;
use alloc::sync::Arc;
use spin::Once;

/// The file system that holds them, which no path leads to.
static HOME: Once<(Arc<TmpFs>, Arc<Mount>)> = Once::new();

/// An empty file named `label`; it can be sealed if `sealable`.
pub fn create(caller: &Caller, label: &[u8], sealable: bool) -> Result<Arc<OpenFile>> {
    let (file_system, mount) = HOME.call_once(|| {
        let file_system = TmpFs::new("tmpfs", mm::stats().total_frames / 2, 0o700);
        let mount = mount::detached(
            file_system.clone(),
            file_system.root(),
            None,
            String::from("memfd"),
        );
        (file_system, mount)
    });
    let by = Creation {
        permissions: 0o777,
        uid: caller.credentials.fsuid,
        gid: caller.credentials.fsgid,
    };
    let node = file_system.unnamed(label, sealable, by)?;
    let file = node.clone().open(OpenFlags::RDWR)?;
    let place = Location {
        mount: mount.clone(),
        node,
    };
    Ok(OpenFile::with_place(
        file,
        OpenFlags::RDWR,
        Some(Opened { place, entry: None }),
    ))
}
