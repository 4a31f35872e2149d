//! One index for the machine: each ready thread goes to the next CPU, and stays.

use super::Task;
use super::core::{Core, Strategy};

#[derive(Default)]
pub struct RoundRobin {
    next: usize,
}

impl Strategy for RoundRobin {
    fn place(&mut self, core: &mut Core, task: Task) {
        let cpu = core.pinned(task).unwrap_or_else(|| {
            core.hardware.note_looks(1);
            self.next = (self.next + 1) % core.cpus();
            self.next
        });
        core.send(task, cpu);
    }

    fn find(&mut self, _core: &mut Core) -> Option<Task> {
        None
    }
}
