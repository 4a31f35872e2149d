//! Taking surplus from busy CPUs, and giving it to less busy ones.

use core::sync::atomic::Ordering::Relaxed;

use percpu::CpuId;

use crate::affinity::settle;
use crate::chaos::RacePoint;
use crate::held::Held;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::scheduler::Scheduler;
use crate::stats::bump;
use crate::trace::Event;

/// The most shelves looked at in one pass.
const MAX_PROBES: usize = 16;
/// A CPU on another memory node leaves a victim with fewer offers alone. (What nobody near takes
/// is given away at the end of the quantum.)
pub(crate) const REMOTE_SURPLUS: usize = 2;
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
        sched.probed(sched.overloaded.lines_above());
        for cluster in sched.map.clusters_from(self.id) {
            if !sched.overloaded.may_have(cluster) {
                continue;
            }
            sched.probed(1);
            let overloaded = sched.overloaded.search(cluster);
            for victim in sched.map.members(cluster, overloaded, self.id) {
                if victim == self.id || sched.idle.contains(&sched.map, victim) {
                    continue;
                }
                if probes == MAX_PROBES {
                    return false;
                }
                probes += 1;
                let shelf = &sched.cpus[victim.index()].shared.shelf;
                if sched.map.is_remote(self.id, cluster) && shelf.count() < REMOTE_SURPLUS {
                    continue;
                }
                sched.probed(1);
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
            self.race_point(RacePoint::Claiming);
            // Losing a slot to another claimant is progress for somebody: look again.
            if shared.shelf.claim(slot, token) {
                taken += 1;
                let thread = self.sched.registry.claimed(token);
                self.race_point(RacePoint::Claimed);
                if thread.state.set_home(self.id).control() {
                    settle(&thread);
                }
                thread.body(|body| body.stolen = true);
                bump(&self.cpu.stats.steals, 1);
                let tid = thread.tid();
                self.sched.platform.trace(Event::Steal { tid, victim });
                self.arrive(thread);
            }
        }
        let has_offers = || shared.shelf.best().is_some();
        if !has_offers() {
            let Scheduler {
                map, overloaded, ..
            } = self.sched;
            overloaded.hide(map, victim, has_offers);
        }
        taken > 0
    }

    /// Gives one waiting thread to a CPU that has at least two fewer to run. At the tick, so that
    /// CPUs that are all busy even out too, and restricted threads find an idle CPU.
    pub fn balance(&mut self) {
        let sched = self.sched;
        let mine = self.local.waiting() as u32 + 1;
        if sched.cpus.len() == 1 || mine < 2 {
            return;
        }
        let id = self.id;
        // Any CPU is better than one where real time runs.
        let mine = match sched.serves_fair(id) {
            true => mine,
            false => u32::MAX - 1,
        };
        let ring = sched.map.clusters_from(id);
        let others = ring.flat_map(|c| sched.map.members(c, sched.online.word(c), id));
        let others = others.filter(|&cpu| cpu != id);
        // The least loaded first, of equals the nearest; restricted threads may need another.
        let mut targets = [(u32::MAX, 0, self.id); MAX_PROBES];
        for (place, (target, cpu)) in targets.iter_mut().zip(others).enumerate() {
            let load = match sched.serves_fair(cpu) {
                true => sched.load(cpu),
                false => u32::MAX,
            };
            *target = (load, place, cpu);
        }
        targets.sort_unstable();
        for (_, _, target) in targets
            .iter()
            .take_while(|(load, ..)| load.saturating_add(2) <= mine)
        {
            if self.give(*target) {
                return;
            }
        }
    }

    fn give(&mut self, target: CpuId) -> bool {
        let shelf = &self.cpu.shared.shelf;
        let Some(thread) = self.local.fair.take_for(target, shelf) else {
            return false;
        };
        self.hand_over(thread, target, 0);
        true
    }

    /// Sends a thread that waited here to another CPU that has room; NEED or 0 as in `dispatch`.
    pub fn hand_over(&mut self, thread: Held, target: CpuId, urgency: u32) {
        self.dirty = true;
        thread.body(|body| {
            self.local.fair.detach(body);
            body.stolen = true; // It runs there before it moves again.
        });
        self.sched.idle.remove(&self.sched.map, target);
        if thread.state.set_home(target).control() {
            settle(&thread);
        }
        // The target sends it on should it have become forbidden there.
        self.send(thread, target, urgency);
    }
}

impl<P: Platform> Scheduler<P> {
    /// Threads that want to run on `cpu`, as far as it told.
    pub(crate) fn load(&self, cpu: CpuId) -> u32 {
        let ready = self.cpus[cpu.index()].shared.hints.nr_ready.load(Relaxed);
        ready + u32::from(!self.idle.contains(&self.map, cpu))
    }
}
