//! Names: links, directories, renaming, removing, whose they are; tmpfs as POSIX wants it.

use super::*;
use crate::error::Errno;
use crate::fs::mount::Location;
use crate::fs::node::{Creation, Entry, RenameMode, Visit};
use crate::fs::path::{Rules, resolve};

fn rename(caller: &Caller, from: &str, to: &str) -> Result<()> {
    caller.rename(
        (None, from.as_bytes()),
        (None, to.as_bytes()),
        RenameMode::Replace,
    )
}

fn links(caller: &Caller, path: &str) -> u32 {
    caller
        .find(None, path.as_bytes(), false)
        .unwrap()
        .node
        .metadata()
        .links
}

/// The name by which `path` is known in the end.
fn real_path(caller: &Caller, path: &str) -> Vec<u8> {
    let place = caller.find(None, path.as_bytes(), true).unwrap();
    place.path(&caller.places.root).unwrap()
}

#[test]
fn hard_links_share_the_file_and_are_counted() {
    let caller = caller();
    write(&caller, "/a", b"x").unwrap();
    caller
        .link((None, b"/a"), false, (None, b"/tmp/b"))
        .unwrap();
    assert_eq!(links(&caller, "/a"), 2);
    assert_eq!(
        caller.link((None, b"/a"), false, (None, b"/tmp/b")),
        Err(Errno::EEXIST)
    );
    caller.unlink(None, b"/a").unwrap();
    assert_eq!(
        (read(&caller, "/tmp/b").unwrap(), links(&caller, "/tmp/b")),
        (b"x".to_vec(), 1)
    );
    assert_eq!(
        caller.link((None, b"/tmp"), false, (None, b"/d")),
        Err(Errno::EPERM)
    );
}

#[test]
fn directories_are_counted_and_removed_only_when_empty() {
    let caller = caller();
    let before = links(&caller, "/");
    mkdir(&caller, "/d").unwrap();
    mkdir(&caller, "/d/e").unwrap();
    assert_eq!((links(&caller, "/"), links(&caller, "/d")), (before + 1, 3));
    assert_eq!(mkdir(&caller, "/d"), Err(Errno::EEXIST));
    assert_eq!(caller.rmdir(None, b"/d"), Err(Errno::ENOTEMPTY));
    assert_eq!(caller.unlink(None, b"/d"), Err(Errno::EISDIR));
    assert_eq!(caller.rmdir(None, b"/d/e/."), Err(Errno::EINVAL));
    let inside = caller.find(None, b"/d/e", true).unwrap();
    caller.rmdir(None, b"/d/e").unwrap();
    assert_eq!(links(&caller, "/d"), 2);
    // Nothing can be made in a directory that is gone.
    assert_eq!(
        caller
            .make(Some(&inside), b"f", NewNode::Regular, 0o644)
            .err(),
        Some(Errno::ENOENT)
    );
    assert_eq!(inside.path(&caller.places.root).err(), Some(Errno::ENOENT));
}

#[test]
fn rename_replaces_files_in_one_step() {
    let caller = caller();
    write(&caller, "/a", b"new").unwrap();
    let old = write(&caller, "/b", b"old").unwrap();
    rename(&caller, "/a", "/b").unwrap();
    assert_eq!(read(&caller, "/b").unwrap(), b"new");
    assert_eq!(read(&caller, "/a").err(), Some(Errno::ENOENT));
    assert_eq!(
        (read_open(&old, 0), old.node().unwrap().metadata().links),
        (b"old".to_vec(), 0)
    );
    caller.link((None, b"/b"), false, (None, b"/c")).unwrap();
    rename(&caller, "/b", "/c").unwrap();
    assert_eq!(links(&caller, "/b"), 2);
}

#[test]
fn rename_moves_directories_but_not_into_themselves() {
    let caller = caller();
    for path in ["/d", "/d/e", "/x", "/x/full"] {
        mkdir(&caller, path).unwrap();
    }
    write(&caller, "/file", b"").unwrap();
    assert_eq!(rename(&caller, "/d", "/d/e/f"), Err(Errno::EINVAL));
    assert_eq!(rename(&caller, "/d/e", "/d"), Err(Errno::ENOTEMPTY));
    assert_eq!(rename(&caller, "/d", "/x"), Err(Errno::ENOTEMPTY));
    assert_eq!(rename(&caller, "/d", "/file"), Err(Errno::ENOTDIR));
    assert_eq!(rename(&caller, "/file", "/d"), Err(Errno::EISDIR));
    rename(&caller, "/d", "/x/full").unwrap();
    assert_eq!(real_path(&caller, "/x/full/e"), b"/x/full/e");
    assert_eq!((links(&caller, "/x"), links(&caller, "/x/full")), (3, 3));
    assert_eq!(real_path(&caller, "/x/full/e/../.."), b"/x");
}

#[test]
fn exchange_and_keep() {
    let caller = caller();
    mkdir(&caller, "/d").unwrap();
    write(&caller, "/tmp/f", b"f").unwrap();
    let both = |mode| caller.rename((None, b"/d"), (None, b"/tmp/f"), mode);
    assert_eq!(both(RenameMode::KeepTarget), Err(Errno::EEXIST));
    both(RenameMode::Exchange).unwrap();
    assert_eq!(real_path(&caller, "/tmp/f"), b"/tmp/f");
    assert_eq!(read(&caller, "/d").unwrap(), b"f");
    assert_eq!(real_path(&caller, "/tmp/f/.."), b"/tmp");
    assert_eq!(links(&caller, "/tmp"), 3);
}

#[test]
fn sticky_directories_keep_strangers_off() {
    let root = caller();
    let (ann, bob) = (as_user(&root, 1), as_user(&root, 2));
    write(&ann, "/tmp/ann", b"").unwrap();
    assert_eq!(bob.unlink(None, b"/tmp/ann"), Err(Errno::EPERM));
    assert_eq!(rename(&bob, "/tmp/ann", "/tmp/bob"), Err(Errno::EPERM));
    ann.unlink(None, b"/tmp/ann").unwrap();
}

#[test]
fn umask_and_owner_of_new_files() {
    let root = caller();
    let user = as_user(&root, 1000);
    let file = user
        .open(None, b"/tmp/f", OpenFlags::CREAT | OpenFlags::RDWR, 0o666)
        .unwrap();
    let metadata = file.node().unwrap().metadata();
    assert_eq!(
        (metadata.permissions, metadata.uid, metadata.gid),
        (0o644, 1000, 1000)
    );
    let other = as_user(&root, 1001);
    assert_eq!(
        other.open(None, b"/tmp/f", OpenFlags::WRONLY, 0).err(),
        Some(Errno::EACCES)
    );
    let place = root.find(None, b"/tmp/f", true).unwrap();
    assert_eq!(other.change_mode(&place, 0o777), Err(Errno::EPERM));
    assert_eq!(user.change_owner(&place, Some(0), None), Err(Errno::EPERM));
}

#[test]
fn a_listing_survives_removal_meanwhile() {
    let caller = caller();
    for index in 0..100 {
        write(&caller, &format!("/tmp/{index}"), b"").unwrap();
    }
    let directory = caller.find(None, b"/tmp", true).unwrap();
    let (mut cookie, mut seen) = (0, Vec::new());
    loop {
        let (from, mut batch) = (cookie, Vec::new());
        let visit = &mut |entry: Entry<'_>| {
            if batch.len() == 7 {
                return Visit::Full;
            }
            batch.push(entry.name.to_vec());
            cookie = entry.next;
            Visit::Continue
        };
        directory.node.readdir(from, visit).unwrap();
        if batch.is_empty() {
            break;
        }
        for name in batch.iter().filter(|name| !name.starts_with(b".")) {
            caller.unlink(Some(&directory), name).unwrap();
        }
        seen.extend(batch);
    }
    assert_eq!(seen.len(), 102);
    assert_eq!(names(&caller, "/tmp"), [".", ".."]);
}

#[test]
fn racing_creators_make_one_file() {
    let caller = caller();
    let flags = OpenFlags::CREAT | OpenFlags::EXCL | OpenFlags::WRONLY;
    let open = || caller.open(None, b"/tmp/one", flags, 0o600).is_ok();
    let made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(made.iter().filter(|&&made| made).count(), 1);
}

#[test]
fn racing_renames_and_removals_keep_the_tree_whole() {
    let caller = caller();
    for path in ["/a", "/b", "/a/x", "/b/y"] {
        mkdir(&caller, path).unwrap();
    }
    std::thread::scope(|scope| {
        for (from, to) in [
            ("/a/x", "/b/y/x"),
            ("/b/y", "/a/x/y"),
            ("/b/y/x", "/a/x"),
            ("/a/x/y", "/b/y"),
        ] {
            let caller = &caller;
            scope.spawn(move || {
                for _ in 0..500 {
                    let _ = rename(caller, from, to);
                    let _ = caller.rmdir(None, b"/a/x/gone");
                    let _ = mkdir(caller, "/a/x/gone");
                }
            });
        }
    });
    // Every directory is still reachable: no cycle has come off the tree.
    let count = |path: &str| names(&caller, path).len() - 2;
    assert!(count("/a") + count("/b") >= 1);
    let found = ["/a/x", "/a/x/y", "/b/y", "/b/y/x"].iter().filter(|path| {
        resolve(&caller, None, path.as_bytes(), Rules::FOLLOW)
            .is_ok_and(|found| found.place.is_some())
    });
    assert_eq!(found.count(), 2);
}

#[test]
fn a_very_deep_tree_is_named_and_dropped_without_recursion() {
    memory();
    let file_system = TmpFs::new("tmpfs", 1 << 20, 0o755);
    let by = Creation {
        permissions: 0o755,
        uid: 0,
        gid: 0,
    };
    let detached = mount::detached(file_system.clone(), file_system.root(), None, "deep".into());
    let top = Location {
        node: detached.root.clone(),
        mount: detached,
    };
    let mut here = top.clone();
    for _ in 0..200_000 {
        here = here.with_node(here.node.create(b"d", NewNode::Directory, by).unwrap());
    }
    assert_eq!(here.path(&top).err(), Some(Errno::ENAMETOOLONG));
    // Nothing refers to it any more: all of it is dropped here.
    drop((here, top, file_system));
}
