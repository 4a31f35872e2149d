//! `/proc/<pid>/mounts` and `mountinfo`.

use super::subject::Subject;
use crate::error::Result;
use crate::fs::mount::{self, Location, Mount, MountFlags};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The mounts that can be seen below the process's root, with their paths.
fn visible(subject: &Subject) -> Vec<(Arc<Mount>, String)> {
    let own_root = subject
        .task
        .as_ref()
        .and_then(|task| task.fs_of())
        .map(|fs| fs.root());
    let root = own_root.unwrap_or_else(mount::root);
    let path = |mount: &Arc<Mount>| {
        let here = Location {
            mount: mount.clone(),
            node: mount.root.clone(),
        };
        let path = here.path_below(&root).ok().flatten();
        path.map(|path| escape(&path))
    };
    mount::all()
        .into_iter()
        .filter_map(|mount| path(&mount).map(|path| (mount, path)))
        .collect()
}

/// Blanks and backslashes in octal, as getmntent(3) reads them.
fn escape(path: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}"),
        _ => String::from(char::from(*byte)),
    };
    path.iter().map(one).collect()
}

fn options(mount: &Mount) -> String {
    let flags = mount.flags();
    let access = if mount.read_only() { "ro" } else { "rw" };
    let further = [
        (MountFlags::NO_SET_ID, ",nosuid"),
        (MountFlags::NO_DEVICES, ",nodev"),
        (MountFlags::NO_EXECUTE, ",noexec"),
    ];
    let set = further.iter().filter(|(flag, _)| flags.contains(*flag));
    core::iter::once(access)
        .chain(set.map(|(_, name)| *name))
        .collect()
}

pub fn mounts(subject: &Subject) -> Result<String> {
    let line = |(mount, path): (Arc<Mount>, String)| {
        let source = escape(mount.source.as_bytes());
        format!(
            "{source} {path} {} {} 0 0\n",
            mount.file_system.name(),
            options(&mount)
        )
    };
    Ok(visible(subject).into_iter().map(line).collect())
}

pub fn mountinfo(subject: &Subject) -> Result<String> {
    let line = |(mount, path): (Arc<Mount>, String)| {
        let parent = mount.place.as_ref().map_or(0, |place| place.mount.id);
        let device = mount.root.id().device;
        let source = escape(mount.source.as_bytes());
        let (id, kind, options) = (mount.id, mount.file_system.name(), options(&mount));
        format!("{id} {parent} 0:{device} / {path} {options} - {kind} {source} rw\n")
    };
    Ok(visible(subject).into_iter().map(line).collect())
}
