//! The threads of a process. Each knows its place among them, so that none has to be searched for
//! when a thousand end.

use super::task::Task;
use crate::error::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;
use core::sync::atomic::Ordering::Relaxed;

/// The leader comes first while it lives; the others are in no order.
#[derive(Default)]
pub struct Threads(Vec<Arc<Task>>);

impl Threads {
    pub fn add(&mut self, task: &Arc<Task>) -> Result<()> {
        self.0.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        task.place.store(self.0.len(), Relaxed);
        self.0.push(task.clone());
        Ok(())
    }

    /// Takes out a thread that was added; the last one moves to its place.
    pub fn remove(&mut self, task: &Arc<Task>) -> Option<Arc<Task>> {
        let place = task.place.load(Relaxed);
        let is_here = self.get(place).is_some_and(|at| Arc::ptr_eq(at, task));
        let gone = is_here.then(|| self.0.swap_remove(place));
        if let Some(moved) = self.get(place) {
            moved.place.store(place, Relaxed);
        }
        gone
    }
}

impl Deref for Threads {
    type Target = [Arc<Task>];

    fn deref(&self) -> &[Arc<Task>] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::tmpfs::TmpFs;
    use crate::fs::{FileSystem, FileTable, FsContext, Location, mount};
    use crate::process::rlimits::Rlimits;
    use crate::process::signal::{Actions, TaskSignals};
    use crate::process::task::TaskParts;
    use crate::process::{Credentials, Image, Process};

    fn task() -> Arc<Task> {
        let image = Arc::new(Image::default());
        let files = TmpFs::new("tmpfs", 1, 0o755);
        let mount = mount::detached(files.clone(), files.root(), None, "test".into());
        let node = mount.root.clone();
        Task::new(TaskParts {
            process: Process::new(9, None, Actions::default(), Rlimits::initial(), image),
            signals: TaskSignals::default(),
            credentials: Arc::new(Credentials::root()),
            files: Arc::new(FileTable::new()),
            fs: Arc::new(FsContext::new(Location { node, mount })),
            start: None,
        })
    }

    /// Whether these are the threads, in this order, and each knows its place.
    fn are(threads: &Threads, expected: &[&Arc<Task>]) -> bool {
        let is = |(place, task): (usize, &Arc<Task>)| {
            Arc::ptr_eq(task, expected[place]) && task.place.load(Relaxed) == place
        };
        threads.len() == expected.len() && threads.iter().enumerate().all(is)
    }

    #[test]
    fn the_last_takes_the_place_of_who_leaves() {
        let [a, b, c, d] = [(); 4].map(|()| task());
        let mut threads = Threads::default();
        for task in [&a, &b, &c, &d] {
            threads.add(task).unwrap();
        }
        let mut leaves = |task, rest: &[&Arc<Task>]| {
            let gone = threads.remove(task);
            gone.is_some_and(|gone| Arc::ptr_eq(&gone, task)) && are(&threads, rest)
        };
        assert!(leaves(&b, &[&a, &d, &c]), "from the middle");
        assert!(leaves(&c, &[&a, &d]), "the last");
        assert!(leaves(&d, &[&a]), "who was moved");
        assert!(leaves(&a, &[]), "the only one");
    }

    #[test]
    fn who_is_not_among_them_removes_nobody() {
        let [a, b, stranger] = [(); 3].map(|()| task());
        let mut threads = Threads::default();
        for task in [&a, &b] {
            threads.add(task).unwrap();
        }
        assert!(threads.remove(&stranger).is_none(), "at another's place");
        assert!(threads.remove(&b).is_some());
        assert!(threads.remove(&b).is_none(), "at a place that is no more");
        assert!(are(&threads, &[&a]));
    }
}
