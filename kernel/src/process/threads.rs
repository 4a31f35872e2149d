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
