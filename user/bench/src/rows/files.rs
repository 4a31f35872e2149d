//! Files on a tmpfs of the row's own: create, write, read, stat, unlink, map.

use super::{Row, row};
use crate::mapping::{Mapping, PAGE};
use crate::measure::{Outcome, Plan, Trouble, one};
use crate::{clock, cpus};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

pub const ROWS: &[Row] = &[
    row("file-create", "create an empty file and close it", create),
    row("file-unlink", "remove an empty file", unlink),
    row("file-stat", "stat of a path three names deep", stat),
    row("file-write", "write 4 KiB into a file that is there", write),
    row("file-read", "read 4 KiB of a file", read),
    row("file-map", "map 64 pages of a file, read each, unmap", map),
];

const FILES: u32 = 100;

/// A folder on a fresh tmpfs, where this process may mount one; removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Trouble> {
        let path = std::env::temp_dir().join(format!("bench-{}", std::process::id()));
        fs::create_dir(&path)?;
        let tmpfs = Some("tmpfs");
        let _ = mount(tmpfs, &path, tmpfs, MsFlags::empty(), None::<&str>);
        Ok(Self(path))
    }

    fn path(&self, index: u32) -> PathBuf {
        self.0.join(format!("file-{index}"))
    }

    fn paths(&self) -> Vec<PathBuf> {
        (0..FILES).map(|index| self.path(index)).collect()
    }

    fn file_of(&self, pages: usize) -> Result<File, Trouble> {
        let path = self.path(0);
        fs::write(&path, vec![7; pages * PAGE])?;
        Ok(File::options().read(true).write(true).open(path)?)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn create(plan: Plan) -> Outcome {
    timed(
        plan,
        |paths| each(paths, |path| File::create(path).map(drop)),
        |paths| each(paths, |path| fs::remove_file(path)),
    )
}

fn unlink(plan: Plan) -> Outcome {
    let folder_first = |paths: &[PathBuf]| each(paths, |path| File::create(path).map(drop));
    cpus::stay()?;
    let folder = Folder::new()?;
    let paths = folder.paths();
    one(plan.try_batches(FILES, || {
        folder_first(&paths)?;
        let start = clock::now();
        each(&paths, |path| fs::remove_file(path))?;
        Ok(clock::now() - start)
    })?)
}

type Step = fn(&[PathBuf]) -> Result<(), Trouble>;

/// Times `work` on a hundred paths; `after` makes everything as it was.
fn timed(plan: Plan, work: Step, after: Step) -> Outcome {
    cpus::stay()?;
    let folder = Folder::new()?;
    let paths = folder.paths();
    one(plan.try_batches(FILES, || {
        let start = clock::now();
        work(&paths)?;
        let spent = clock::now() - start;
        after(&paths)?;
        Ok(spent)
    })?)
}

fn each(paths: &[PathBuf], work: fn(&Path) -> std::io::Result<()>) -> Result<(), Trouble> {
    Ok(paths.iter().try_for_each(|path| work(path))?)
}

fn stat(plan: Plan) -> Outcome {
    cpus::stay()?;
    let folder = Folder::new()?;
    folder.file_of(1)?;
    let path = folder.path(0);
    one(plan.each(500, || {
        let _ = nix::sys::stat::stat(&path);
    }))
}

fn write(plan: Plan) -> Outcome {
    cpus::stay()?;
    let folder = Folder::new()?;
    let file = folder.file_of(16)?;
    let page = [1; PAGE];
    one(plan.each(500, || drop(file.write_at(&page, 0))))
}

fn read(plan: Plan) -> Outcome {
    cpus::stay()?;
    let folder = Folder::new()?;
    let file = folder.file_of(16)?;
    let mut page = [0; PAGE];
    one(plan.each(500, || drop(file.read_at(&mut page, 0))))
}

fn map(plan: Plan) -> Outcome {
    cpus::stay()?;
    let folder = Folder::new()?;
    let file = folder.file_of(64)?;
    one(plan.try_batches(20, || {
        let start = clock::now();
        for _ in 0..20 {
            Mapping::of_file(&file, 64)?.read_all();
        }
        Ok(clock::now() - start)
    })?)
}
