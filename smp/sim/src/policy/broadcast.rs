//! LK's way: one queue under one lock, and every wake interrupts every other CPU.

use std::collections::VecDeque;

use super::Task;
use super::core::{Core, Strategy};

#[derive(Default)]
pub struct Broadcast {
    queue: VecDeque<Task>,
    /// When the lock is free again.
    free_at: u64,
}

impl Broadcast {
    /// Takes the lock, waiting for whoever has it, holds it for one operation.
    fn lock(&mut self, core: &Core) {
        let hardware = &core.hardware;
        let now = hardware.now() + hardware.spent();
        let wait = self.free_at.saturating_sub(now);
        hardware.charge(wait + hardware.costs.lock_ns);
        self.free_at = now + wait + hardware.costs.lock_ns;
    }
}

impl Strategy for Broadcast {
    fn place(&mut self, core: &mut Core, task: Task) {
        self.lock(core);
        if let Some(cpu) = core.pinned(task) {
            return core.send(task, cpu);
        }
        self.queue.push_back(task);
        let here = core.hardware.here();
        for cpu in (0..core.cpus()).filter(|&cpu| cpu != here) {
            core.hardware.interrupt(cpu);
        }
    }

    fn put_back(&mut self, core: &mut Core, task: Task) {
        self.lock(core);
        let here = core.hardware.here();
        match core.pinned(task) {
            Some(_) => core.queues[here].push_back(task),
            None => self.queue.push_back(task),
        }
    }

    fn find(&mut self, core: &mut Core) -> Option<Task> {
        self.lock(core);
        self.queue.pop_front()
    }

    fn others_wait(&self, _core: &Core) -> bool {
        !self.queue.is_empty()
    }
}
