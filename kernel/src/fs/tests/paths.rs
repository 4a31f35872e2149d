//! Path walking: links, dots, mounts, limits.

use super::*;
use crate::error::Errno;
use crate::fs::mount::{Location, MountFlags};
use crate::fs::node::FileType;
use crate::fs::path::{Rules, resolve};

fn symlink(caller: &Caller, text: &str, path: &str) {
    caller
        .make(None, path.as_bytes(), NewNode::Symlink(text.as_bytes()), 0)
        .unwrap();
}

fn path_of(caller: &Caller, place: &Location) -> String {
    String::from_utf8(place.path(&caller.places.root).unwrap()).unwrap()
}

fn find(caller: &Caller, path: &str) -> Result<String> {
    Ok(path_of(caller, &caller.find(None, path.as_bytes(), true)?))
}

#[test]
fn dots_and_slashes_mean_what_posix_says() {
    let caller = caller();
    mkdir(&caller, "/a").unwrap();
    mkdir(&caller, "/a/b").unwrap();
    assert_eq!(find(&caller, "/a/./b//../b/").unwrap(), "/a/b");
    assert_eq!(find(&caller, "/../../a").unwrap(), "/a");
    assert_eq!(find(&caller, "/").unwrap(), "/");
    assert_eq!(find(&caller, ""), Err(Errno::ENOENT));
    write(&caller, "/a/f", b"").unwrap();
    assert_eq!(find(&caller, "/a/f/"), Err(Errno::ENOTDIR));
    assert_eq!(find(&caller, "/a/f/.."), Err(Errno::ENOTDIR));
    assert_eq!(find(&caller, "/a/missing/.."), Err(Errno::ENOENT));
}

#[test]
fn relative_paths_start_at_the_base() {
    let caller = caller();
    mkdir(&caller, "/a").unwrap();
    write(&caller, "/a/f", b"x").unwrap();
    let base = caller.find(None, b"/a", true).unwrap();
    assert!(caller.find(Some(&base), b"f", true).is_ok());
    assert!(caller.find(Some(&base), b"/a/f", true).is_ok());
    assert!(caller.find(None, b"f", true).is_err());
}

#[test]
fn symbolic_links_are_followed_where_they_should() {
    let caller = caller();
    mkdir(&caller, "/a").unwrap();
    write(&caller, "/a/f", b"x").unwrap();
    symlink(&caller, "a", "/rel");
    symlink(&caller, "/a/f", "/abs");
    symlink(&caller, "../a/f", "/a/up");
    assert_eq!(read(&caller, "/rel/f").unwrap(), b"x");
    assert_eq!(read(&caller, "/abs").unwrap(), b"x");
    assert_eq!(read(&caller, "/rel/up").unwrap(), b"x");
    let link = caller.find(None, b"/abs", false).unwrap();
    assert_eq!(link.node.file_type(), FileType::Symlink);
    assert_eq!(
        caller.open(None, b"/abs", OpenFlags::NOFOLLOW, 0).err(),
        Some(Errno::ELOOP)
    );
    // A slash at the end follows even where the last link is not followed.
    assert_eq!(
        caller.find(None, b"/rel/", false).unwrap().node.file_type(),
        FileType::Directory
    );
}

#[test]
fn link_loops_end() {
    let caller = caller();
    symlink(&caller, "/y", "/x");
    symlink(&caller, "/x", "/y");
    assert_eq!(find(&caller, "/x"), Err(Errno::ELOOP));
    symlink(&caller, "self/self", "/self");
    assert_eq!(find(&caller, "/self"), Err(Errno::ELOOP));
}

#[test]
fn creating_through_a_dangling_link_makes_its_target() {
    let caller = caller();
    symlink(&caller, "/tmp/target", "/link");
    write(&caller, "/link", b"made").unwrap();
    assert_eq!(read(&caller, "/tmp/target").unwrap(), b"made");
    symlink(&caller, "/tmp/other", "/second");
    let flags = OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::EXCL;
    assert_eq!(
        caller.open(None, b"/second", flags, 0o644).err(),
        Some(Errno::EEXIST)
    );
}

#[test]
fn names_and_paths_have_limits() {
    let caller = caller();
    let long = "n".repeat(255);
    write(&caller, &format!("/{long}"), b"").unwrap();
    assert_eq!(
        write(&caller, &format!("/{long}n"), b"").err(),
        Some(Errno::ENAMETOOLONG)
    );
    assert_eq!(find(&caller, &"/".repeat(4096)), Err(Errno::ENAMETOOLONG));
}

#[test]
fn mounts_cover_directories() {
    let caller = caller();
    mkdir(&caller, "/mnt").unwrap();
    write(&caller, "/mnt/under", b"").unwrap();
    let place = caller.find(None, b"/mnt", true).unwrap();
    let inner = TmpFs::new("tmpfs", CAPACITY, 0o755);
    mount::attach(inner.clone(), inner.root(), Some(place), "inner".into()).unwrap();
    assert_eq!(find(&caller, "/mnt/under"), Err(Errno::ENOENT));
    mkdir(&caller, "/mnt/d").unwrap();
    assert_eq!(find(&caller, "/mnt/d/../..").unwrap(), "/");
    assert_eq!(find(&caller, "/mnt/d").unwrap(), "/mnt/d");
    assert_eq!(caller.rmdir(None, b"/mnt"), Err(Errno::EBUSY));
    assert_eq!(
        caller.rename(
            (None, b"/mnt/d"),
            (None, b"/d"),
            crate::fs::node::RenameMode::Replace
        ),
        Err(Errno::EXDEV)
    );
    let held = caller.find(None, b"/mnt/d", true).unwrap();
    assert_eq!(
        mount::detach(caller.find(None, b"/mnt", true).unwrap(), false),
        Err(Errno::EBUSY)
    );
    drop(held);
    mount::detach(caller.find(None, b"/mnt", true).unwrap(), false).unwrap();
    assert!(caller.find(None, b"/mnt/under", true).is_ok());
}

#[test]
fn rules_keep_a_walk_inside() {
    let caller = caller();
    mkdir(&caller, "/jail").unwrap();
    mkdir(&caller, "/jail/in").unwrap();
    symlink(&caller, "/tmp", "/jail/out");
    let jail = caller.find(None, b"/jail", true).unwrap();
    let rules = Rules {
        beneath: true,
        ..Rules::FOLLOW
    };
    let walk = |path: &[u8], rules| resolve(&caller, Some(&jail), path, rules).map(|_| ());
    assert_eq!(walk(b"in/..", rules), Ok(()));
    assert_eq!(walk(b"..", rules), Err(Errno::EXDEV));
    assert_eq!(walk(b"/tmp", rules), Err(Errno::EXDEV));
    assert_eq!(walk(b"out", rules), Err(Errno::EXDEV));
    assert_eq!(
        walk(
            b"out",
            Rules {
                no_symlinks: true,
                ..Rules::FOLLOW
            }
        ),
        Err(Errno::ELOOP)
    );
}

#[test]
fn searching_needs_permission() {
    let root = caller();
    mkdir(&root, "/secret").unwrap();
    write(&root, "/secret/f", b"").unwrap();
    root.change_mode(&root.find(None, b"/secret", true).unwrap(), 0o700)
        .unwrap();
    let user = as_user(&root, 1000);
    assert_eq!(find(&user, "/secret/f"), Err(Errno::EACCES));
    assert_eq!(write(&user, "/new", b"").err(), Some(Errno::EACCES));
    assert!(write(&user, "/tmp/new", b"").is_ok());
}

/// More directories than a mount has bits to tell the covered ones: each is found covered, or not.
#[test]
fn every_one_of_many_mounts_is_crossed() {
    let caller = caller();
    let paths: Vec<_> = (0..70).map(|index| format!("/m{index}")).collect();
    let place = |path: &String| caller.find(None, path.as_bytes(), true).unwrap();
    let is_mount = |path: &String| place(path).is_mount_root();
    for path in &paths {
        mkdir(&caller, path).unwrap();
    }
    for path in &paths[2..] {
        let inner = TmpFs::new("tmpfs", CAPACITY, 0o755);
        mount::attach(inner.clone(), inner.root(), Some(place(path)), "m".into()).unwrap();
    }
    assert!(!paths[..2].iter().any(is_mount) && paths[2..].iter().all(is_mount));
    for path in &paths[2..5] {
        mount::detach(place(path), false).unwrap();
    }
    assert!(!paths[..5].iter().any(is_mount) && paths[5..].iter().all(is_mount));
    for path in &paths[5..] {
        mount::detach(place(path), false).unwrap();
    }
    assert!(!paths.iter().any(is_mount));
}

#[test]
fn mounts_forbid_what_they_are_told_to() {
    let caller = caller();
    mkdir(&caller, "/mnt").unwrap();
    let place = caller.find(None, b"/mnt", true).unwrap();
    let inner = TmpFs::new("tmpfs", CAPACITY, 0o755);
    let mounted = mount::attach(inner.clone(), inner.root(), Some(place), "inner".into()).unwrap();
    write(&caller, "/mnt/program", b"x").unwrap();
    let program = caller.find(None, b"/mnt/program", true).unwrap();
    caller.change_mode(&program, 0o755).unwrap();
    let number = NewNode::CharDevice(crate::fs::DeviceNumber::new(1, 3));
    caller.make(None, b"/mnt/null", number, 0o666).unwrap();
    assert!(caller.open_program(None, b"/mnt/program", true).is_ok());

    mounted.mount.set_flags(MountFlags::all());
    let flags = OpenFlags::RDWR;
    let open = |path: &[u8]| caller.open(None, path, flags, 0).err();
    assert_eq!(open(b"/mnt/null"), Some(Errno::EACCES));
    assert_eq!(open(b"/mnt/program"), Some(Errno::EROFS));
    assert_eq!(caller.unlink(None, b"/mnt/program"), Err(Errno::EROFS));
    assert_eq!(
        caller.open_program(None, b"/mnt/program", true).err(),
        Some(Errno::EACCES)
    );
    let file = caller
        .open(None, b"/mnt/program", OpenFlags::RDONLY, 0)
        .unwrap();
    assert!(!file.may_set_id());
}
