//! Walks over processes that never keep the tree locked for long.

use super::{Entry, Tree, with};
use crate::process::thread_group::Process;
use alloc::sync::Arc;

/// All processes, zombies included, by pid: each as it is when the walk comes to it, so that the
/// tree is never locked for long and nothing is allocated.
pub fn processes() -> impl Iterator<Item = Arc<Process>> {
    processes_from(0)
}

/// As [`processes`], those from number `pid` on.
pub fn processes_from(pid: u32) -> impl Iterator<Item = Arc<Process>> {
    by_pid(pid, |tree, from| {
        tree.entries.range(from..).next().map(|(_, entry)| entry)
    })
}

/// Walks from pid to pid; `next` finds the first entry from a number on.
pub(super) fn by_pid(
    mut from: u32,
    next: impl Fn(&Tree, u32) -> Option<&Entry>,
) -> impl Iterator<Item = Arc<Process>> {
    core::iter::from_fn(move || {
        let process = with(|tree| next(tree, from).map(|entry| entry.process.clone()))?;
        from = process.pid() + 1;
        Some(process)
    })
}
