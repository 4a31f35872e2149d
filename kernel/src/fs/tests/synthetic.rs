//! Directories and files that are made up when asked for.

use super::*;
use crate::error::Errno;
use crate::fs::node::{FileType, Link};
use crate::fs::synthetic::{Made, SyntheticFs, Table};
use core::sync::atomic::{AtomicUsize, Ordering};

static READINGS: AtomicUsize = AtomicUsize::new(0);
static SETTING: AtomicUsize = AtomicUsize::new(0);

const ROOT: Table = Table(&[
    ("count", || {
        Made::text(|| Ok(format!("{}\n", READINGS.fetch_add(1, Ordering::Relaxed))))
    }),
    ("inner", || Made::directory(INNER)),
    ("link", || Made::link(|| Ok("inner/setting".into()))),
    ("tmp", || {
        let place = || caller().find(None, b"/tmp", true).map(Link::Place);
        Made::magic_link(place, || Ok(b"elsewhere".to_vec()))
    }),
]);

const INNER: Table = Table(&[("setting", || {
    Made::text(|| Ok(SETTING.load(Ordering::Relaxed).to_string())).writable(|text| {
        let number = core::str::from_utf8(text.trim_ascii()).ok();
        let number = number.and_then(|text| text.parse().ok());
        SETTING.store(number.ok_or(Errno::EINVAL)?, Ordering::Relaxed);
        Ok(())
    })
})]);

fn mounted() -> Caller {
    let caller = caller();
    mkdir(&caller, "/made").unwrap();
    let place = caller.find(None, b"/made", true).unwrap();
    let file_system = SyntheticFs::new("made", 1, ROOT);
    mount::attach(
        file_system.clone(),
        file_system.root(),
        Some(place),
        "made".into(),
    )
    .unwrap();
    caller
}

#[test]
fn a_reading_is_one_text_until_it_starts_over() {
    let caller = mounted();
    let file = caller
        .open(None, b"/made/count", OpenFlags::RDONLY, 0)
        .unwrap();
    let first = read_open(&file, 0);
    assert_eq!(read_open(&file, 1), first[1..]);
    assert_ne!(read_open(&file, 0), first);
    assert_eq!(read_open(&file, 1 << 40), b"");
}

#[test]
fn settings_are_read_and_written_through_links() {
    let caller = mounted();
    write(&caller, "/made/link", b"42\n").unwrap();
    assert_eq!(read(&caller, "/made/inner/setting").unwrap(), b"42");
    assert_eq!(
        write(&caller, "/made/link", b"nonsense").err(),
        Some(Errno::EINVAL)
    );
    let user = as_user(&caller, 1000);
    let denied = user.open(None, b"/made/inner/setting", OpenFlags::WRONLY, 0);
    assert_eq!(denied.err(), Some(Errno::EACCES));
}

#[test]
fn names_are_listed_and_cannot_be_changed() {
    let caller = mounted();
    assert_eq!(
        names(&caller, "/made"),
        [".", "..", "count", "inner", "link", "tmp"]
    );
    assert_eq!(mkdir(&caller, "/made/new"), Err(Errno::EPERM));
    assert_eq!(caller.unlink(None, b"/made/count"), Err(Errno::EPERM));
    assert_eq!(read(&caller, "/made/none").err(), Some(Errno::ENOENT));
    let inner = caller.find(None, b"/made/inner", true).unwrap();
    assert_eq!(inner.path(&caller.places.root).unwrap(), b"/made/inner");
    assert_eq!(
        inner
            .parent(&caller.places.root)
            .path(&caller.places.root)
            .unwrap(),
        b"/made"
    );
}

#[test]
fn magic_links_lead_elsewhere_than_they_say() {
    let caller = mounted();
    assert_eq!(caller.readlink(None, b"/made/tmp").unwrap(), b"elsewhere");
    let place = caller.find(None, b"/made/tmp", true).unwrap();
    assert_eq!(place.node.file_type(), FileType::Directory);
    assert_ne!(
        place.mount.id,
        caller.find(None, b"/made", true).unwrap().mount.id
    );
}
