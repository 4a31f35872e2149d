//! The bound: one queue for all, found and locked for nothing, the first that is free serves it.

use std::collections::VecDeque;

use super::Task;
use super::core::{Core, Strategy};

#[derive(Default)]
pub struct Central {
    queue: VecDeque<Task>,
}

impl Strategy for Central {
    fn place(&mut self, core: &mut Core, task: Task) {
        let home = core.home(task);
        if core.pinned(task).is_some() {
            return core.send(task, home);
        }
        self.queue.push_back(task);
        let here = core.hardware.here();
        let free = [home, here].into_iter().find(|&cpu| core.is_idle(cpu));
        if let Some(cpu) = free.or_else(|| core.any_idle(home)) {
            core.call(cpu);
        }
    }

    fn put_back(&mut self, core: &mut Core, task: Task) {
        let here = core.hardware.here();
        match core.pinned(task) {
            Some(_) => core.queues[here].push_back(task),
            None => self.queue.push_back(task),
        }
    }

    fn find(&mut self, _core: &mut Core) -> Option<Task> {
        self.queue.pop_front()
    }

    fn others_wait(&self, _core: &Core) -> bool {
        !self.queue.is_empty()
    }

    fn pays_refill(&self) -> bool {
        false
    }
}
