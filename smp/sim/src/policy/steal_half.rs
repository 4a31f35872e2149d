//! Go's and tokio's way: a ready thread stays with whoever woke it, idle CPUs search at random and
//! take half of what they find; no more than half of the busy ones may be searched for at a time.

use super::Task;
use super::core::{Core, Strategy};
use crate::random::Random;

pub struct StealHalf {
    random: Random,
    /// CPUs that were called to search and have not looked yet.
    called: usize,
}

impl StealHalf {
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed ^ 0x5a),
            called: 0,
        }
    }

    /// Lets one more idle CPU search, unless one is about to.
    fn call_searcher(&mut self, core: &mut Core) {
        let here = core.hardware.here();
        if self.called == 0
            && let Some(cpu) = core.any_idle(here)
            && cpu != here
        {
            self.called += 1;
            core.call(cpu);
        }
    }
}

impl Strategy for StealHalf {
    fn place(&mut self, core: &mut Core, task: Task) {
        let here = core.hardware.here();
        if let Some(cpu) = core.pinned(task) {
            return core.send(task, cpu);
        }
        core.send(task, here);
        self.call_searcher(core);
    }

    fn find(&mut self, core: &mut Core) -> Option<Task> {
        let (here, cpus) = (core.hardware.here(), core.cpus());
        let start = self.random.below(cpus);
        for victim in (0..cpus).map(|step| (start + step) % cpus) {
            if victim == here {
                continue;
            }
            core.hardware.note_probes(1);
            let half = core.queues[victim].len().div_ceil(2);
            if half == 0 {
                continue;
            }
            let Some(first) = core.take_movable(victim) else {
                continue;
            };
            core.hardware.note_steals(1);
            for _ in 1..half {
                let Some(task) = core.take_movable(victim) else {
                    break;
                };
                core.queues[here].push_back(task);
            }
            if !core.queues[here].is_empty() {
                self.call_searcher(core);
            }
            return Some(first);
        }
        None
    }

    fn on_peer(&mut self, _core: &mut Core) {
        self.called = self.called.saturating_sub(1);
    }
}
