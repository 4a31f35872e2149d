//! Changes to the shape of a tmpfs tree: removing and moving directories.
//!
//! All of them hold [`Shared::tree`](super::Shared), so parents stay put while one looks upwards.

use super::super::node::{FileType, RenameMode};
use super::directory::Entries;
use super::inode::Inode;
use crate::error::{Errno, Result};
use alloc::sync::Arc;
use smp::MutexGuard;

pub fn rmdir(parent: &Inode, name: &[u8]) -> Result<()> {
    let _tree = parent.shared.tree.lock();
    let victim = parent.entries()?.get(name).ok_or(Errno::ENOENT)?;
    victim.entries()?.retire()?;
    // Nobody else removes directories meanwhile: the tree is held.
    let removed = parent.entries()?.remove(name);
    victim.directory()?.forget_name();
    victim.change_links(-2);
    parent.change_links(-1);
    parent.touch();
    drop(removed);
    Ok(())
}

pub fn rename(
    from: &Inode,
    name: &[u8],
    to: &Inode,
    new_name: &[u8],
    mode: RenameMode,
) -> Result<()> {
    if from.shared.device != to.shared.device {
        return Err(Errno::EXDEV);
    }
    let _tree = from.shared.tree.lock();
    loop {
        let moved = from.entries()?.get(name).ok_or(Errno::ENOENT)?;
        let target = to.entries()?.get(new_name);
        check_loops(from, &moved, to, target.as_ref(), mode)?;
        match (&target, mode) {
            (Some(_), RenameMode::KeepTarget) => return Err(Errno::EEXIST),
            (None, RenameMode::Exchange) => return Err(Errno::ENOENT),
            (Some(target), _) if Arc::ptr_eq(target, &moved) => return Ok(()),
            (Some(target), RenameMode::Exchange) => {
                return exchange(from, name, &moved, to, new_name, target);
            }
            (Some(target), RenameMode::Replace) => check_kinds(&moved, target)?,
            (None, _) => {}
        }
        if move_entry(from, name, to, new_name, &moved, target.as_ref())? == Step::Done {
            account_move(from, to, new_name, &moved, target.as_deref());
            return Ok(());
        }
    }
}

/// Whether a step was done, or has to start over because files came or went since the first look
/// (only directories are held still).
#[derive(PartialEq, Eq)]
enum Step {
    Done,
    Again,
}

/// A directory must not move into itself, nor be replaced by what is inside it.
fn check_loops(
    from: &Inode,
    moved: &Arc<Inode>,
    to: &Inode,
    target: Option<&Arc<Inode>>,
    mode: RenameMode,
) -> Result<()> {
    if moved.kind() == FileType::Directory && is_within(to, moved)? {
        return Err(Errno::EINVAL);
    }
    match target {
        Some(target) if target.kind() == FileType::Directory && is_within(from, target)? => {
            Err(if mode == RenameMode::Exchange {
                Errno::EINVAL
            } else {
                Errno::ENOTEMPTY
            })
        }
        _ => Ok(()),
    }
}

/// Whether `node` is `above` or below it.
fn is_within(node: &Inode, above: &Arc<Inode>) -> Result<bool> {
    if node.number() == above.number() {
        return Ok(true);
    }
    let mut here = node.directory()?.parent();
    while let Some(directory) = here {
        if Arc::ptr_eq(&directory, above) {
            return Ok(true);
        }
        here = directory.directory()?.parent();
    }
    Ok(false)
}

/// A directory replaces only an empty directory, anything else no directory.
fn check_kinds(moved: &Inode, target: &Inode) -> Result<()> {
    match (
        moved.kind() == FileType::Directory,
        target.kind() == FileType::Directory,
    ) {
        (true, false) => Err(Errno::ENOTDIR),
        (false, true) => Err(Errno::EISDIR),
        (true, true) => target.entries()?.retire(),
        (false, false) => Ok(()),
    }
}

/// Both directories' entries, locked in the one order; `None` for the second if they are the same.
struct Pair<'a> {
    from: MutexGuard<'a, Entries>,
    to: Option<MutexGuard<'a, Entries>>,
}

impl<'a> Pair<'a> {
    fn lock(from: &'a Inode, to: &'a Inode) -> Result<Self> {
        if from.number() == to.number() {
            return Ok(Self {
                from: from.entries()?,
                to: None,
            });
        }
        if from.number() < to.number() {
            let from = from.entries()?;
            return Ok(Self {
                from,
                to: Some(to.entries()?),
            });
        }
        let to = to.entries()?;
        Ok(Self {
            from: from.entries()?,
            to: Some(to),
        })
    }

    fn to(&mut self) -> &mut Entries {
        self.to.as_deref_mut().unwrap_or(&mut self.from)
    }
}

/// Moves the entry in one step for everyone who looks.
fn move_entry(
    from: &Inode,
    name: &[u8],
    to: &Inode,
    new_name: &[u8],
    moved: &Arc<Inode>,
    target: Option<&Arc<Inode>>,
) -> Result<Step> {
    let mut pair = Pair::lock(from, to)?;
    if !holds(&pair.from, name, Some(moved)) || !holds(pair.to(), new_name, target) {
        return Ok(Step::Again);
    }
    match target {
        Some(_) => drop(pair.to().replace(new_name, moved.clone())),
        None => pair.to().insert(new_name, moved.clone())?,
    }
    pair.from.remove(name);
    Ok(Step::Done)
}

/// Whether `name` still means `node`.
fn holds(entries: &Entries, name: &[u8], node: Option<&Arc<Inode>>) -> bool {
    match (entries.get(name), node) {
        (Some(found), Some(node)) => Arc::ptr_eq(&found, node),
        (found, node) => found.is_none() && node.is_none(),
    }
}

/// Link counts, times and parents after a move.
fn account_move(
    from: &Inode,
    to: &Inode,
    new_name: &[u8],
    moved: &Arc<Inode>,
    replaced: Option<&Inode>,
) {
    if moved.kind() == FileType::Directory {
        from.change_links(-1);
        to.change_links(1);
        set_place(moved, to, new_name);
    }
    if let Some(old) = replaced {
        let directory = old.kind() == FileType::Directory;
        old.change_links(if directory { -2 } else { -1 });
        if let Ok(directory) = old.directory() {
            directory.forget_name();
            to.change_links(-1);
        }
    }
    moved.change_links(0);
    from.touch();
    to.touch();
}

fn exchange(
    from: &Inode,
    name: &[u8],
    moved: &Arc<Inode>,
    to: &Inode,
    new_name: &[u8],
    target: &Arc<Inode>,
) -> Result<()> {
    let mut pair = Pair::lock(from, to)?;
    if !holds(&pair.from, name, Some(moved)) || !holds(pair.to(), new_name, Some(target)) {
        return Err(Errno::ENOENT);
    }
    pair.from.replace(name, target.clone());
    pair.to().replace(new_name, moved.clone());
    drop(pair);
    for (node, old, new, name) in [(moved, from, to, new_name), (target, to, from, name)] {
        if node.kind() == FileType::Directory {
            old.change_links(-1);
            new.change_links(1);
            set_place(node, new, name);
        }
        node.change_links(0);
    }
    from.touch();
    to.touch();
    Ok(())
}

fn set_place(node: &Inode, parent: &Inode, name: &[u8]) {
    if let Ok(directory) = node.directory() {
        directory.set_place(&parent.itself(), name);
    }
}
