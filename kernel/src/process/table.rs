//! The process tree: pids, parents and children, process groups, sessions, under one spin lock.
//!
//! Everything here is by number inside one locked structure, and a number stays taken while its
//! entry (or group, or session) holds the thread that was born with it: a recycled pid can never
//! be taken for its predecessor. Outside the lock processes are named by `Arc`.

use super::session::Session;
use super::signal::Signal;
use super::status::ExitStatus;
use super::task::Task;
use super::thread_group::{CpuTimes, Process};
use crate::error::{Errno, Result};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};
use smp::{SpinLock, ThreadRef};

/// init's pid: parent of orphans.
pub const INIT: u32 = 1;

/// How many tasks this machine's memory is good for: about 128 KiB each. Past it, processes would
/// only make each other run out of memory.
pub fn max_tasks() -> usize {
    const FRAMES_PER_TASK: usize = 32;
    (mm::frame::total() / FRAMES_PER_TASK).max(1024)
}

/// Whether the machine has as many tasks as its memory is good for. Takes no lock: a fork bomb asks
/// this all the time.
pub fn is_full() -> bool {
    TASKS.load(Ordering::Relaxed) >= max_tasks()
}

/// The number of entries of `Tree::tasks`.
static TASKS: AtomicUsize = AtomicUsize::new(0);

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

/// A process group. Its number stays taken while it has members.
struct Group {
    members: BTreeSet<u32>,
    session: u32,
    _number: ThreadRef,
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

    /// How many tasks act for real user `uid` (RLIMIT_NPROC).
    pub fn tasks_of(&self, uid: u32) -> usize {
        self.users.get(&uid).copied().unwrap_or(0)
    }

    pub fn insert_task(&mut self, task: Arc<Task>) {
        self.charge(&task);
        self.tasks.insert(task.tid(), task);
        TASKS.store(self.tasks.len(), Ordering::Relaxed);
    }

    pub fn remove_task(&mut self, tid: u32) -> Option<Arc<Task>> {
        let task = self.tasks.remove(&tid)?;
        self.discharge(&task);
        TASKS.store(self.tasks.len(), Ordering::Relaxed);
        Some(task)
    }

    fn charge(&mut self, task: &Task) {
        let uid = task.credentials().uid;
        task.charged_to.store(uid, Ordering::Relaxed);
        *self.users.entry(uid).or_default() += 1;
    }

    fn discharge(&mut self, task: &Task) {
        let uid = task.charged_to.load(Ordering::Relaxed);
        if let Some(count) = self.users.get_mut(&uid) {
            *count -= 1;
            if *count == 0 {
                self.users.remove(&uid);
            }
        }
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

    /// A new program runs as `pid`: it did not choose what its children send it, and its parent is
    /// told of it as of any child.
    pub fn has_execed(&mut self, pid: u32) {
        let Some(entry) = self.entries.get_mut(&pid) else {
            return;
        };
        entry.has_execed = true;
        entry.exit_signal = Signal::CHLD.number();
        let children = core::mem::take(&mut entry.children);
        for child in &children {
            if let Some(entry) = self.entries.get_mut(child) {
                entry.exit_signal = Signal::CHLD.number();
            }
        }
        if let Some(entry) = self.entries.get_mut(&pid) {
            entry.children = children;
        }
    }

    /// Gives all children of `pid` to `new_parent`, which did not choose their exit signals and so
    /// gets `SIGCHLD`; whether there are zombies among them.
    pub fn adopt_children(&mut self, pid: u32, new_parent: u32) -> bool {
        let Some(entry) = self.entries.get_mut(&pid) else {
            return false;
        };
        let mut children = core::mem::take(&mut entry.children);
        let mut any_zombie = false;
        for child in &children {
            if let Some(entry) = self.entries.get_mut(child) {
                entry.parent = new_parent;
                entry.process.set_parent(new_parent);
                entry.exit_signal = Signal::CHLD.number();
                any_zombie |= entry.zombie.is_some();
            }
        }
        if let Some(parent) = self.entries.get_mut(&new_parent) {
            parent.children.append(&mut children);
        }
        any_zombie
    }

    /// The first child of `pid` from number `from` on that wants a signal when its parent ends.
    pub fn bereaved_child(&self, pid: u32, from: u32) -> Option<&Entry> {
        let mut children = self.entry(pid)?.children.range(from..);
        children.find_map(|child| {
            let entry = self.entry(*child)?;
            (entry.parent_death_signal != 0).then_some(entry)
        })
    }

    /// Who gets the orphans of `pid`: the nearest subreaper above it, or init.
    pub fn reaper_of(&self, pid: u32) -> u32 {
        let mut at = self.entry(pid).map_or(INIT, |entry| entry.parent);
        while at != INIT {
            match self.entry(at) {
                Some(entry) if entry.is_subreaper && entry.zombie.is_none() => return at,
                Some(entry) => at = entry.parent,
                None => break,
            }
            if at == 0 {
                break;
            }
        }
        INIT
    }

    fn join_group(&mut self, pid: u32, group: u32, session: u32, own: &ThreadRef) {
        let number = self
            .entries
            .get(&group)
            .map_or(own, |entry| &entry.number)
            .clone();
        let group = self.groups.entry(group).or_insert(Group {
            members: BTreeSet::new(),
            session,
            _number: number,
        });
        group.members.insert(pid);
    }

    fn leave_group(&mut self, pid: u32, group: u32) {
        if let Some(found) = self.groups.get_mut(&group) {
            found.members.remove(&pid);
            if found.members.is_empty() {
                self.groups.remove(&group);
            }
        }
    }

    /// Moves a process to group `group`, which is made if it is its own pid.
    pub fn move_to_group(&mut self, pid: u32, group: u32, session: &Arc<Session>) {
        let Some(entry) = self.entries.get_mut(&pid) else {
            return;
        };
        let (old, number) = (entry.group, entry.number.clone());
        entry.group = group;
        entry.session = session.clone();
        self.leave_group(pid, old);
        self.join_group(pid, group, session.id(), &number);
    }

    /// The session a group belongs to.
    pub fn group_session(&self, group: u32) -> Option<u32> {
        self.groups.get(&group).map(|group| group.session)
    }

    pub fn group_members(&self, group: u32) -> impl Iterator<Item = &Entry> {
        self.group_members_from(group, 0)
    }

    fn group_members_from(&self, group: u32, from: u32) -> impl Iterator<Item = &Entry> {
        let group = self.groups.get(&group).into_iter();
        let members = group.flat_map(move |group| group.members.range(from..));
        members.filter_map(|pid| self.entries.get(pid))
    }

    /// Whether no living member of `group` has a parent in another group of the same session:
    /// nobody is left who could continue it (POSIX, orphaned process group).
    pub fn is_orphaned(&self, group: u32) -> bool {
        !self.group_members(group).any(|member| {
            if member.zombie.is_some() {
                return false;
            }
            let parent = self.entry(member.parent);
            parent.is_some_and(|parent| {
                parent.group != group
                    && Arc::ptr_eq(&parent.session, &member.session)
                    && member.parent != INIT
            })
        })
    }
}

/// The process with this pid, alive or zombie.
pub fn process(pid: u32) -> Result<Arc<Process>> {
    with(|tree| tree.entry(pid).map(|entry| entry.process.clone())).ok_or(Errno::ESRCH)
}

/// The task with this tid, while it lives (a leader: until its process is reaped).
pub fn task(tid: u32) -> Result<Arc<Task>> {
    with(|tree| tree.tasks.get(&tid).cloned()).ok_or(Errno::ESRCH)
}

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

/// How many processes there are.
pub fn count() -> usize {
    with(|tree| tree.entries.len())
}

/// Walks from pid to pid; `next` finds the first entry from a number on.
fn by_pid(
    mut from: u32,
    next: impl Fn(&Tree, u32) -> Option<&Entry>,
) -> impl Iterator<Item = Arc<Process>> {
    core::iter::from_fn(move || {
        let process = with(|tree| next(tree, from).map(|entry| entry.process.clone()))?;
        from = process.pid() + 1;
        Some(process)
    })
}

/// The first process, by pid, that `matches`: called with the tree locked. Allocates nothing.
pub(super) fn find_process(mut matches: impl FnMut(&Arc<Process>) -> bool) -> Option<Arc<Process>> {
    with(|tree| {
        tree.entries
            .values()
            .map(|entry| &entry.process)
            .find(|process| matches(process))
            .cloned()
    })
}

/// The members of a process group, as [`processes`].
pub fn group(group: u32) -> impl Iterator<Item = Arc<Process>> {
    by_pid(0, move |tree, from| {
        tree.group_members_from(group, from).next()
    })
}

/// The session a process group belongs to; `ESRCH` if there is no such group.
pub fn session_of_group(group: u32) -> Result<u32> {
    with(|tree| tree.group_session(group)).ok_or(Errno::ESRCH)
}

/// Whether nobody is left who could continue the group (job control).
pub fn is_orphaned_group(group: u32) -> bool {
    with(|tree| tree.is_orphaned(group))
}

/// Takes note of a task's real user after a change: for RLIMIT_NPROC, and if it is the leader for
/// its parent to read after its end.
pub(crate) fn user_changed(task: &Task) {
    with(|tree| {
        tree.discharge(task);
        tree.charge(task);
        if task.tid() == task.process().pid()
            && let Some(entry) = tree.entry_mut(task.tid())
        {
            entry.uid = task.credentials().uid;
        }
    });
}

fn change(pid: u32, edit: impl FnOnce(&mut Entry)) -> Result<()> {
    with(|tree| tree.entry_mut(pid).map(edit)).ok_or(Errno::ESRCH)
}

/// PR_SET_CHILD_SUBREAPER.
pub fn set_subreaper(pid: u32, is_subreaper: bool) -> Result<()> {
    change(pid, |entry| entry.is_subreaper = is_subreaper)
}

pub fn is_subreaper(pid: u32) -> bool {
    with(|tree| tree.entry(pid).is_some_and(|entry| entry.is_subreaper))
}

/// PR_SET_PDEATHSIG; 0 for nothing.
pub fn set_parent_death_signal(pid: u32, signal: u8) -> Result<()> {
    change(pid, |entry| entry.parent_death_signal = signal)
}

pub fn parent_death_signal(pid: u32) -> u8 {
    with(|tree| tree.entry(pid).map_or(0, |entry| entry.parent_death_signal))
}

pub(super) fn leader_name(pid: u32) -> String {
    let leader = with(|tree| tree.entry(pid).map(|entry| entry.leader.clone()));
    leader.map(|leader| leader.name()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
