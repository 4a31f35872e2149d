//! ULE's way: the last CPU if idle, an idle neighbour, else the least loaded of all; an idle CPU
//! takes one thread from the most loaded, its own cluster first.

use super::Task;
use super::core::{Core, Strategy};

pub struct StealOne;

impl StealOne {
    /// The most loaded of `cpus` with somebody waiting.
    fn victim(core: &Core, cpus: std::ops::Range<usize>) -> Option<usize> {
        core.hardware.note_probes(cpus.len() as u64);
        let waiting = |cpu: &usize| core.queues[*cpu].len();
        let longest = cpus.max_by_key(waiting)?;
        (waiting(&longest) > 0).then_some(longest)
    }
}

impl Strategy for StealOne {
    fn place(&mut self, core: &mut Core, task: Task) {
        let home = core.home(task);
        if core.pinned(task).is_some() || core.is_idle(home) {
            return core.send(task, home);
        }
        core.hardware.note_looks(core.cluster(home).len() as u64);
        if let Some(cpu) = core.idle_neighbour(home) {
            return core.send(task, cpu);
        }
        core.hardware.note_looks(core.cpus() as u64);
        let ring = (0..core.cpus()).map(|step| (home + step) % core.cpus());
        let least = ring.min_by_key(|&cpu| core.load(cpu)).unwrap_or(home);
        core.send(task, least);
    }

    fn find(&mut self, core: &mut Core) -> Option<Task> {
        let here = core.hardware.here();
        let near = Self::victim(core, core.cluster(here));
        let victim = near.or_else(|| Self::victim(core, 0..core.cpus()))?;
        let taken = core.take_movable(victim);
        core.hardware.note_steals(u64::from(taken.is_some()));
        taken
    }
}
