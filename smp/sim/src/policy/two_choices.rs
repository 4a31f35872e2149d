//! The power of two choices: the shorter of two random queues, and there it stays.

use super::Task;
use super::core::{Core, Strategy};
use crate::random::Random;

pub struct TwoChoices {
    random: Random,
}

impl TwoChoices {
    pub fn new(seed: u64) -> Self {
        let random = Random::new(seed ^ 0x2c);
        Self { random }
    }
}

impl Strategy for TwoChoices {
    fn place(&mut self, core: &mut Core, task: Task) {
        let cpu = core.pinned(task).unwrap_or_else(|| {
            core.hardware.note_looks(2);
            let (a, b) = (
                self.random.below(core.cpus()),
                self.random.below(core.cpus()),
            );
            if core.load(b) < core.load(a) { b } else { a }
        });
        core.send(task, cpu);
    }

    fn find(&mut self, _core: &mut Core) -> Option<Task> {
        None
    }
}
