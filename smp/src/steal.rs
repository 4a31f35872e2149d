//! Taking surplus from busy CPUs, and giving it to less busy ones.

use core::sync::atomic::Ordering::Relaxed;

use percpu::CpuId;

use crate::affinity::settle;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::stats::bump;

/// The most shelves looked at in one pass.
const MAX_PROBES: usize = 16;
/// From a victim with this many ready threads two are taken.
const RICH: u32 = 4;

impl<P: Platform> Owner<'_, P> {
    /// Looks for surplus, nearest first, on CPUs that run something: a CPU that is waking up
    /// takes its own. What is found is queued here. False when there was nothing.
    pub fn steal(&mut self) -> bool {
        let sched = self.sched;
        if sched.cpus.len() == 1 {
            return false;
        }
        let mut probes = 0;
        for cluster in sched.map.clusters_from(self.id) {
            let overloaded = sched.overloaded.word(cluster);
            for victim in sched.map.members(cluster, overloaded, self.id) {
                if victim == self.id || sched.idle.contains(&sched.map, victim) {
                    continue;
                }
                if probes == MAX_PROBES {
                    return false;
                }
                probes += 1;
                if self.rob(victim) {
                    return true;
                }
            }
        }
        false
    }

    fn rob(&mut self, victim: CpuId) -> bool {
        let shared = &self.sched.cpus[victim.index()].shared;
        let rich = shared.hints.nr_ready.load(Relaxed) >= RICH;
        let wanted = if rich { 2 } else { 1 };
        let mut taken = 0;
        while taken < wanted
            && let Some((slot, token)) = shared.shelf.best()
        {
            // Losing a slot to another claimant is progress for somebody: look again.
            if shared.shelf.claim(slot, token) {
                taken += 1;
                let thread = self.sched.registry.claimed(token);
                if thread.state.set_home(self.id).control() {
                    settle(&thread);
                }
                thread.body(|body| body.stolen = true);
                bump(&self.cpu.stats.steals, 1);
                self.arrive(thread);
            }
        }
        taken > 0
    }

    /// Gives one waiting thread to a CPU that has at least two fewer to run. At the tick, so that
    /// CPUs that are all busy even out too.
    pub fn balance(&mut self) {
        let sched = self.sched;
        let mine = self.local.waiting() as u32 + 1;
        if sched.cpus.len() == 1 || mine < 2 {
            return;
        }
        let load = |cpu: CpuId| {
            let ready = sched.cpus[cpu.index()].shared.hints.nr_ready.load(Relaxed);
            ready + u32::from(!sched.idle.contains(&sched.map, cpu))
        };
        let ring = sched.map.clusters_from(self.id);
        let others = ring.flat_map(|c| sched.map.members(c, sched.online.word(c), self.id));
        let others = others.filter(|&cpu| cpu != self.id).take(MAX_PROBES);
        let Some(target) = others.min_by_key(|&cpu| load(cpu)) else {
            return;
        };
        if load(target) + 2 > mine {
            return;
        }
        let shelf = &self.cpu.shared.shelf;
        let Some(thread) = self.local.fair.take_for(target, shelf) else {
            return;
        };
        self.dirty = true;
        thread.body(|body| self.local.fair.detach(body));
        sched.idle.remove(&sched.map, target);
        if thread.state.set_home(target).control() {
            settle(&thread);
        }
        // The target sends it on should it have become forbidden there.
        self.send(thread, target, 0);
    }
}
