//! ax-task's way: the last CPU if idle, else any idle one; an idle CPU asks an overloaded one by
//! an interrupt, and that one sends a thread over.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Task;
use super::core::{Core, Strategy};
use crate::hardware::Hardware;

pub struct OwnerPull {
    /// Who asked each CPU, oldest first.
    asked: Vec<VecDeque<usize>>,
    /// The CPU asks and has not been answered.
    asks: Vec<bool>,
}

impl OwnerPull {
    pub fn new(hardware: &Arc<Hardware>) -> Self {
        let cpus = hardware.layout.cpus;
        Self {
            asked: vec![VecDeque::new(); cpus],
            asks: vec![false; cpus],
        }
    }
}

impl Strategy for OwnerPull {
    fn place(&mut self, core: &mut Core, task: Task) {
        let home = core.home(task);
        if core.pinned(task).is_some() || core.is_idle(home) {
            return core.send(task, home);
        }
        core.hardware.note_looks(1);
        let cpu = core.any_idle(home).unwrap_or(home);
        core.send(task, cpu);
    }

    fn find(&mut self, core: &mut Core) -> Option<Task> {
        let here = core.hardware.here();
        if self.asks[here] {
            return None;
        }
        core.hardware.note_probes(1);
        let cpus = core.cpus();
        let ring = (1..cpus).map(|step| (here + step) % cpus);
        // A CPU that is waking up takes its own.
        let has = |cpu: &usize| core.queues[*cpu].len() > self.asked[*cpu].len();
        let victim = ring.into_iter().find(|cpu| core.runs(*cpu) && has(cpu))?;
        self.asks[here] = true;
        self.asked[victim].push_back(here);
        core.hardware.interrupt(victim);
        None
    }

    fn on_peer(&mut self, core: &mut Core) {
        let here = core.hardware.here();
        while let Some(thief) = self.asked[here].pop_front() {
            self.asks[thief] = false;
            if let Some(task) = core.take_movable(here) {
                core.hardware.note_steals(1);
                core.send(task, thief);
            } else {
                // An empty answer, or the asker would not ask again.
                core.hardware.interrupt(thief);
            }
        }
    }
}
