//! Evening out CPUs that are all busy, by weight: at the end of a quantum.
//!
//! On one CPU the fair class gives each thread time by its weight; for that to hold across CPUs
//! the weights on them must be much the same. A CPU gives away a waiting thread if the heavier of
//! the two is lighter afterwards; `rotate.rs` sees to what remains. Work conservation does not
//! depend on this: a CPU without work takes any.

use core::sync::atomic::Ordering::Relaxed;

use percpu::CpuId;

use crate::owner::Owner;
use crate::platform::Platform;
use crate::scheduler::Scheduler;

/// The most CPUs compared.
const MAX_COMPARED: usize = 16;
/// The load where real time runs: any other CPU is better.
const REALTIME: i64 = i64::MAX / 2;

/// What a move of a thread would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// The heavier CPU is lighter afterwards.
    Better,
    /// The CPUs change their roles, give or take a quarter of the thread.
    Same,
    Worse,
}

/// Judges moving a thread of weight `weight` from a CPU that has `from` to one that has `to`.
pub(crate) fn judge(from: i64, to: i64, weight: u64) -> Move {
    let weight = weight as i64;
    let gain = from - to - weight;
    match gain.abs() <= weight / 4 {
        true => Move::Same,
        false if gain > 0 => Move::Better,
        false => Move::Worse,
    }
}

impl<P: Platform> Owner<'_, P> {
    /// Gives one waiting thread to a lighter CPU, the lightest first; restricted ones may need
    /// another.
    pub fn balance(&mut self) {
        self.publish_weights();
        if self.sched.cpus.len() == 1 || self.local.waiting() == 0 {
            return;
        }
        let load = |cpu: CpuId| self.sched.fair_load(cpu) as u64;
        self.lighter(&load).any(|target| self.give(target));
    }

    fn give(&mut self, target: CpuId) -> bool {
        let (mine, theirs) = self.loads(target);
        let helps = |weight| judge(mine, theirs, weight) == Move::Better;
        let shelf = &self.cpu.shared.shelf;
        let Some(thread) = self.local.fair.take_for(target, shelf, helps) else {
            return false;
        };
        self.hand_over(thread, target, 0);
        true
    }

    /// Those of the near CPUs that are lighter than this one, the least `key` first, of equals the
    /// nearest.
    pub fn lighter(&self, key: &dyn Fn(CpuId) -> u64) -> impl Iterator<Item = CpuId> + use<P> {
        let (sched, id) = (self.sched, self.id);
        let near = sched.online_from(id).filter(|&cpu| cpu != id);
        let near = near.take(MAX_COMPARED);
        let mine = sched.fair_load(id);
        let lighter = near.filter(|&cpu| sched.fair_load(cpu) < mine);
        let mut found = [(u64::MAX, 0, id); MAX_COMPARED];
        let mut count = 0;
        for (slot, cpu) in found.iter_mut().zip(lighter) {
            *slot = (key(cpu), count, cpu);
            count += 1;
        }
        found.sort_unstable();
        found.into_iter().take(count).map(|(_, _, cpu)| cpu)
    }

    /// What this CPU and `target` have.
    pub fn loads(&self, target: CpuId) -> (i64, i64) {
        (self.sched.fair_load(self.id), self.sched.fair_load(target))
    }

    fn publish_weights(&mut self) {
        let running = self.current_body(|body| body.share.weight());
        let hints = &self.cpu.shared.hints;
        hints.running_weight.store(running, Relaxed);
        let waiting = self.local.fair.weight();
        hints.waiting_weight.store(waiting, Relaxed);
    }
}

impl<P: Platform> Scheduler<P> {
    /// The weights of the fair threads on `cpu`, as far as it told: when the running one began,
    /// and of the others at the end of the last quantum.
    pub(crate) fn fair_load(&self, cpu: CpuId) -> i64 {
        if !self.serves_fair(cpu) {
            return REALTIME;
        }
        let hints = &self.cpus[cpu.index()].shared.hints;
        let waiting = match hints.nr_ready.load(Relaxed) {
            0 => 0,
            _ => hints.waiting_weight.load(Relaxed),
        };
        (hints.running_weight.load(Relaxed) + waiting) as i64
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_move_helps_if_the_heavier_is_lighter_afterwards() {
        assert_eq!(judge(3072, 1024, 1024), Move::Better);
        assert_eq!(judge(2048, 1024, 1024), Move::Same);
        assert_eq!(judge(1024, 1024, 1024), Move::Worse);
        // Nice 19 moves to whoever has less, be it little less.
        assert_eq!(judge(1054, 1024, 15), Move::Better);
        // One step of nice is the same.
        assert_eq!(judge(1844, 1024, 1024), Move::Same);
        assert_eq!(judge(REALTIME, 50_000, 15), Move::Better);
        assert_eq!(judge(REALTIME, REALTIME, 15), Move::Worse);
    }
}
