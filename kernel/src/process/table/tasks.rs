//! Tasks by number, and how many each user and the machine may have.

use super::{Tree, with};
use crate::error::{Errno, Result};
use crate::process::task::Task;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

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

impl Tree {
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
}

/// The task with this tid, while it lives (a leader: until its process is reaped).
pub fn task(tid: u32) -> Result<Arc<Task>> {
    with(|tree| tree.tasks.get(&tid).cloned()).ok_or(Errno::ESRCH)
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
