//! The process tree: pids, parents and children, process groups, sessions, under one spin lock.
//!
//! Everything here is by number inside one locked structure, and a number stays taken while its
//! entry (or group, or session) holds the thread that was born with it: a recycled pid can never
//! be taken for its predecessor. Outside the lock processes are named by `Arc`.

mod family;
mod groups;
mod tasks;
mod walk;

use crate::error::{Errno, Result};
use crate::process::session::Session;
use crate::process::status::ExitStatus;
use crate::process::task::Task;
use crate::process::thread_group::{CpuTimes, Process};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use groups::Group;
use smp::{SpinLock, ThreadRef};

pub use family::{is_subreaper, parent_death_signal, set_parent_death_signal, set_subreaper};
pub use groups::{GroupId, group, group_id, is_orphaned_group, members, session_of_group};
pub(crate) use tasks::user_changed;
pub use tasks::{is_full, max_tasks, task};
pub use walk::{processes, processes_from};

/// init's pid: parent of orphans.
pub const INIT: u32 = 1;

static TREE: SpinLock<Tree> = SpinLock::new(Tree::new());

/// Runs `action` with the tree locked: short, no sleeping, no dropping of big things.
pub(super) fn with<R>(action: impl FnOnce(&mut Tree) -> R) -> R {
    action(&mut TREE.lock())
}

pub(super) struct Tree {
    /// Live tasks, and leaders until their process is reaped.
    tasks: BTreeMap<u32, Arc<Task>>,
    entries: BTreeMap<u32, Entry>,
    groups: BTreeMap<u32, Group>,
    /// Tasks by real user.
    users: BTreeMap<u32, usize>,
}

/// A process's place in the tree.
pub(super) struct Entry {
    pub process: Arc<Process>,
    /// Keeps the pid taken.
    pub number: ThreadRef,
    /// The thread whose tid is the pid: another than `number` after a thread's execve.
    pub leader: ThreadRef,
    pub parent: u32,
    pub children: BTreeSet<u32>,
    pub group: u32,
    pub session: Arc<Session>,
    /// Who it acts for, for wait and procfs after its death.
    pub uid: u32,
    pub zombie: Option<Zombie>,
    /// It has called execve since it was forked (setpgid(2) refuses then).
    pub has_execed: bool,
    /// The signal its parent gets when it ends; 0 for none.
    pub exit_signal: u8,
    /// Orphans below it become its children (PR_SET_CHILD_SUBREAPER).
    pub is_subreaper: bool,
    /// What it gets when its parent ends (PR_SET_PDEATHSIG); 0 for nothing.
    pub parent_death_signal: u8,
}

/// What is left of a process that has exited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zombie {
    pub status: ExitStatus,
    pub times: CpuTimes,
}

impl Tree {
    const fn new() -> Self {
        Self {
            tasks: BTreeMap::new(),
            entries: BTreeMap::new(),
            groups: BTreeMap::new(),
            users: BTreeMap::new(),
        }
    }

    pub fn entry(&self, pid: u32) -> Option<&Entry> {
        self.entries.get(&pid)
    }

    pub fn entry_mut(&mut self, pid: u32) -> Option<&mut Entry> {
        self.entries.get_mut(&pid)
    }

    /// Adds a process to its parent's children and to its group.
    pub fn insert(&mut self, entry: Entry) {
        let pid = entry.process.pid();
        entry.process.set_parent(entry.parent);
        if let Some(parent) = self.entries.get_mut(&entry.parent) {
            parent.children.insert(pid);
        }
        self.join_group(pid, entry.group, entry.session.id(), &entry.number);
        self.entries.insert(pid, entry);
    }

    /// Forgets a process that was waited for. The caller drops the result outside the lock.
    pub fn remove(&mut self, pid: u32) -> Option<(Entry, Option<Arc<Task>>)> {
        let entry = self.entries.remove(&pid)?;
        if let Some(parent) = self.entries.get_mut(&entry.parent) {
            parent.children.remove(&pid);
        }
        self.leave_group(pid, entry.group);
        Some((entry, self.remove_task(pid)))
    }
}

/// The process with this pid, alive or zombie.
pub fn process(pid: u32) -> Result<Arc<Process>> {
    with(|tree| tree.entry(pid).map(|entry| entry.process.clone())).ok_or(Errno::ESRCH)
}

/// How many processes there are.
pub fn count() -> usize {
    with(|tree| tree.entries.len())
}

pub(super) fn leader_name(pid: u32) -> String {
    let leader = with(|tree| tree.entry(pid).map(|entry| entry.leader.clone()));
    leader.map(|leader| leader.name()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
