//! Unpacking archives, whole and damaged.

use super::*;
use crate::error::Errno;
use crate::fs::cpio::tests::{add, push};
use crate::fs::initramfs::{Unpacked, unpack};
use crate::fs::node::FileType;

#[test]
fn a_tree_comes_out_as_it_went_in() {
    let mut archive = Vec::new();
    add(&mut archive, ".", 0o040755, b"");
    add(&mut archive, "etc", 0o040750, b"");
    add(&mut archive, "./etc/motd", 0o100600, b"hello");
    add(&mut archive, "link", 0o120777, b"etc/motd");
    add(&mut archive, "console", 0o020600, b"");
    add(&mut archive, "pipe", 0o010644, b"");
    add(&mut archive, "TRAILER!!!", 0, b"");
    let caller = caller();
    let unpacked = unpack(caller.clone(), &archive);
    assert_eq!((unpacked.entries, unpacked.errors), (6, 0));
    assert_eq!(read(&caller, "/link").unwrap(), b"hello");
    let metadata = |path: &[u8]| caller.find(None, path, false).unwrap().node.metadata();
    assert_eq!(metadata(b"/etc").permissions, 0o750);
    assert_eq!(
        (
            metadata(b"/etc/motd").permissions,
            metadata(b"/etc/motd").modified.seconds
        ),
        (0o600, 1_700_000_000)
    );
    assert_eq!(metadata(b"/console").device.major, 5);
    assert_eq!(metadata(b"/pipe").file_type, FileType::Fifo);
}

#[test]
fn damage_costs_only_what_follows_it() {
    let mut archive = Vec::new();
    add(&mut archive, "first", 0o100644, b"1");
    let damage = archive.len();
    add(&mut archive, "second", 0o100644, b"2");
    archive[damage..damage + 6].copy_from_slice(b"garbag");
    let caller = caller();
    assert_eq!(
        unpack(caller.clone(), &archive),
        Unpacked {
            entries: 1,
            bytes: 1,
            errors: 1
        }
    );
    assert_eq!(read(&caller, "/first").unwrap(), b"1");
}

#[test]
fn an_entry_that_cannot_be_made_costs_itself() {
    let mut archive = Vec::new();
    add(&mut archive, "missing/file", 0o100644, b"x");
    add(&mut archive, "odd", 0o170000, b"");
    add(&mut archive, &"n".repeat(300), 0o100644, b"");
    push(
        &mut archive,
        b"big",
        0o100644,
        &vec![1; (CAPACITY + 1) * 4096],
        (CAPACITY + 1) * 4096,
        4,
    );
    add(&mut archive, "../../good", 0o100644, b"still");
    let caller = caller();
    let unpacked = unpack(caller.clone(), &archive);
    assert_eq!((unpacked.entries, unpacked.errors), (5, 4));
    assert_eq!(read(&caller, "/good").unwrap(), b"still");
    assert_eq!(read(&caller, "/big").err(), Some(Errno::ENOENT));
    assert_eq!(read(&caller, "/missing/file").err(), Some(Errno::ENOENT));
}
