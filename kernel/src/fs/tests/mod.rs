//! Host tests of the file layer as callers see it.

mod contents;
mod descriptors;
mod initramfs;
mod names;
mod paths;
mod synthetic;

use super::caller::Caller;
use super::context::Places;
use super::mount;
use super::node::{FileSystem, NewNode};
use super::open_file::{OpenFile, OpenFlags};
use super::tmpfs::TmpFs;
use crate::error::Result;
use crate::process::credentials::{Capabilities, Credentials};
use crate::user_memory::{Sink, Source};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Room in each test's file system, in pages.
const CAPACITY: usize = 16;

/// Someone with a file tree of their own, empty but for `/tmp`.
fn caller() -> Caller {
    memory();
    let file_system = TmpFs::new("tmpfs", CAPACITY, 0o755);
    let root = mount::attach(file_system.clone(), file_system.root(), None, "test".into()).unwrap();
    let credentials = Arc::new(Credentials::root());
    let caller = Caller {
        credentials,
        places: Arc::new(Places {
            root: root.clone(),
            working_directory: root,
        }),
        umask: 0o022,
    };
    caller
        .make(None, b"/tmp", NewNode::Directory, 0o777)
        .unwrap();
    let tmp = caller.find(None, b"/tmp", true).unwrap();
    caller.change_mode(&tmp, 0o1777).unwrap();
    caller
}

/// `caller` without privileges, as user and group `id`.
fn as_user(caller: &Caller, id: u32) -> Caller {
    let credentials = Credentials {
        fsuid: id,
        fsgid: id,
        effective: Capabilities::empty(),
        ..Credentials::root()
    };
    Caller {
        credentials: Arc::new(credentials),
        ..caller.clone()
    }
}

fn write(caller: &Caller, path: &str, data: &[u8]) -> Result<Arc<OpenFile>> {
    let flags = OpenFlags::RDWR | OpenFlags::CREAT | OpenFlags::TRUNC;
    let file = caller.open(None, path.as_bytes(), flags, 0o644)?;
    let mut source = Source::Kernel(data);
    file.write(&mut source)?;
    Ok(file)
}

fn read_open(file: &OpenFile, offset: u64) -> Vec<u8> {
    let mut buffer = alloc::vec![0xee; 1 << 16];
    let count = file
        .read_at(offset, &mut Sink::Kernel(&mut buffer))
        .unwrap();
    buffer.truncate(count);
    buffer
}

fn read(caller: &Caller, path: &str) -> Result<Vec<u8>> {
    let file = caller.open(None, path.as_bytes(), OpenFlags::RDONLY, 0)?;
    Ok(read_open(&file, 0))
}

fn mkdir(caller: &Caller, path: &str) -> Result<()> {
    caller
        .make(None, path.as_bytes(), NewNode::Directory, 0o755)
        .map(|_| ())
}

fn names(caller: &Caller, path: &str) -> Vec<alloc::string::String> {
    let mut names = Vec::new();
    let place = caller.find(None, path.as_bytes(), true).unwrap();
    let visit = &mut |entry: super::node::Entry<'_>| {
        names.push(alloc::string::String::from_utf8_lossy(entry.name).into_owned());
        super::node::Visit::Continue
    };
    place.node.readdir(0, visit).unwrap();
    names
}

/// Frames to make files of.
fn memory() {
    use std::sync::Once;
    static ONCE: Once = Once::new();
    ONCE.call_once(mm::testing::install);
}
