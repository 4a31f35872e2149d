//! Names, links, folders, and what a file says about itself.

use crate::harness::{Folder, Outcome, Test, child, succeeds};
use nix::sys::stat::{Mode, umask};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

pub const TESTS: &[Test] = &[
    ("file.create_exclusively", create_exclusively),
    ("file.unlinked_stays_open", unlinked_stays_open),
    ("file.rename_replaces", rename_replaces),
    ("file.links", links),
    ("file.metadata", metadata),
    ("file.mode_and_mask", mode_and_mask),
    ("file.folders", folders),
    ("file.thousand_entries", thousand_entries),
    ("file.wrong_paths", wrong_paths),
    ("file.working_folder", working_folder),
];

fn create_exclusively() -> Outcome {
    let folder = Folder::new()?;
    File::create_new(folder.path("f"))?;
    let again = File::create_new(folder.path("f"));
    ensure_eq!(
        again.map(drop).map_err(|error| error.kind()),
        Err(std::io::ErrorKind::AlreadyExists)
    );
    Ok(())
}

fn unlinked_stays_open() -> Outcome {
    let folder = Folder::new()?;
    fs::write(folder.path("f"), "still here")?;
    let mut file = File::open(folder.path("f"))?;
    fs::remove_file(folder.path("f"))?;
    ensure!(!folder.path("f").exists());
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    ensure_eq!(text, "still here");
    ensure_eq!(file.metadata()?.nlink(), 0);
    Ok(())
}

fn rename_replaces() -> Outcome {
    let folder = Folder::new()?;
    fs::write(folder.path("a"), "a")?;
    fs::write(folder.path("b"), "b")?;
    fs::rename(folder.path("a"), folder.path("b"))?;
    ensure!(!folder.path("a").exists() && fs::read_to_string(folder.path("b"))? == "a");
    fs::create_dir(folder.path("d"))?;
    fs::create_dir(folder.path("d/inner"))?;
    ensure_eq!(
        fs::rename(folder.path("d"), folder.path("d/inner/x"))
            .map_err(|error| error.raw_os_error()),
        Err(Some(libc::EINVAL))
    );
    fs::rename(folder.path("d"), folder.path("e"))?;
    ensure!(folder.path("e/inner").is_dir());
    Ok(())
}

fn links() -> Outcome {
    let folder = Folder::new()?;
    fs::write(folder.path("f"), "x")?;
    fs::hard_link(folder.path("f"), folder.path("g"))?;
    ensure_eq!(fs::metadata(folder.path("f"))?.nlink(), 2);
    ensure_eq!(
        fs::metadata(folder.path("f"))?.ino(),
        fs::metadata(folder.path("g"))?.ino()
    );
    std::os::unix::fs::symlink("f", folder.path("s"))?;
    ensure_eq!(fs::read_link(folder.path("s"))?.to_string_lossy(), "f");
    ensure_eq!(fs::read_to_string(folder.path("s"))?, "x");
    ensure!(fs::symlink_metadata(folder.path("s"))?.is_symlink());
    std::os::unix::fs::symlink("loop", folder.path("loop"))?;
    ensure_eq!(
        File::open(folder.path("loop"))
            .map(drop)
            .map_err(|error| error.raw_os_error()),
        Err(Some(libc::ELOOP))
    );
    Ok(())
}

fn metadata() -> Outcome {
    let folder = Folder::new()?;
    fs::write(folder.path("f"), vec![0; 10_000])?;
    let found = fs::metadata(folder.path("f"))?;
    ensure!(found.is_file() && found.len() == 10_000 && found.nlink() == 1);
    ensure!(fs::metadata(&folder.0)?.is_dir());
    let age = std::time::SystemTime::now().duration_since(found.modified()?);
    ensure!(age.is_ok_and(|age| age.as_secs() < 1_000));
    let file = File::options().write(true).open(folder.path("f"))?;
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000);
    file.set_modified(long_ago)?;
    ensure_eq!(fs::metadata(folder.path("f"))?.modified()?, long_ago);
    Ok(())
}

fn mode_and_mask() -> Outcome {
    let folder = Folder::new()?;
    umask(Mode::from_bits_truncate(0o027));
    File::create(folder.path("f"))?;
    ensure_eq!(fs::metadata(folder.path("f"))?.mode() & 0o7777, 0o640);
    fs::create_dir(folder.path("d"))?;
    ensure_eq!(fs::metadata(folder.path("d"))?.mode() & 0o7777, 0o750);
    fs::set_permissions(folder.path("f"), fs::Permissions::from_mode(0o4711))?;
    ensure_eq!(fs::metadata(folder.path("f"))?.mode() & 0o7777, 0o4711);
    ensure_eq!(umask(Mode::empty()).bits(), 0o027);
    Ok(())
}

fn folders() -> Outcome {
    let folder = Folder::new()?;
    fs::create_dir_all(folder.path("a/b/c"))?;
    let refused = fs::remove_dir(folder.path("a/b"));
    ensure_eq!(
        refused.map_err(|error| error.raw_os_error()),
        Err(Some(libc::ENOTEMPTY))
    );
    fs::remove_dir(folder.path("a/b/c"))?;
    fs::remove_dir(folder.path("a/b"))?;
    ensure_eq!(fs::read_dir(folder.path("a"))?.count(), 0);
    ensure_eq!(
        fs::create_dir(folder.path("a")).map_err(|error| error.raw_os_error()),
        Err(Some(libc::EEXIST))
    );
    Ok(())
}

fn thousand_entries() -> Outcome {
    let folder = Folder::new()?;
    for number in 0..1_000 {
        File::create(folder.path(&format!("entry-{number}")))?;
    }
    let names: HashSet<_> = fs::read_dir(&folder.0)?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    ensure_eq!(names.len(), 1_000);
    Ok(())
}

fn wrong_paths() -> Outcome {
    let folder = Folder::new()?;
    fs::write(folder.path("f"), "")?;
    let refusal = |path: std::path::PathBuf| {
        File::open(path)
            .err()
            .and_then(|error| error.raw_os_error())
    };
    ensure_eq!(refusal(folder.path("none")), Some(libc::ENOENT));
    ensure_eq!(refusal(folder.path("f/x")), Some(libc::ENOTDIR));
    ensure_eq!(
        refusal(folder.path(&"n".repeat(300))),
        Some(libc::ENAMETOOLONG)
    );
    ensure_eq!(
        refusal(folder.path(&"d/".repeat(3_000))),
        Some(libc::ENAMETOOLONG)
    );
    ensure_eq!(refusal("".into()), Some(libc::ENOENT));
    ensure_eq!(
        fs::write(&folder.0, "").map_err(|error| error.raw_os_error()),
        Err(Some(libc::EISDIR))
    );
    ensure_eq!(
        fs::remove_file(folder.path("none")).map_err(|error| error.raw_os_error()),
        Err(Some(libc::ENOENT))
    );
    Ok(())
}

fn working_folder() -> Outcome {
    let folder = Folder::new()?;
    fs::create_dir(folder.path("d"))?;
    std::env::set_current_dir(folder.path("d"))?;
    ensure_eq!(std::env::current_dir()?, folder.path("d").canonicalize()?);
    fs::write("../beside", "x")?;
    ensure!(folder.path("beside").exists());
    let moved = child(|| i32::from(std::env::set_current_dir("/").is_err()))?;
    succeeds(moved)?;
    ensure!(std::env::current_dir()?.ends_with("d"));
    Ok(())
}
