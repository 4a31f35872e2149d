//! Taking surplus from busy CPUs.

use core::sync::atomic::Ordering::Relaxed;

use percpu::CpuId;

use crate::affinity::settle;
use crate::chaos::RacePoint;
use crate::held::Held;
use crate::owner::Owner;
use crate::platform::Platform;
use crate::scheduler::Scheduler;
use crate::search::Sought;
use crate::stats::bump;
use crate::sync::mutate;
use crate::trace::Event;

/// The most shelves looked at in one pass.
const MAX_PROBES: usize = 16;
/// A CPU on another memory node leaves a victim with fewer offers alone. (What nobody near takes
/// is given away at the end of the quantum, `balance.rs`.)
pub(crate) const REMOTE_SURPLUS: usize = 2;

impl<P: Platform> Owner<'_, P> {
    /// Looks for surplus on CPUs that run something: a CPU that is waking up takes its own. The own
    /// group comes first, then those of the node, beginning elsewhere each time. Within a group
    /// thieves go round, each from where the one before looked, so that nobody is overtaken
    /// again and again: who has waited longest is served about first. What is found is queued here.
    /// False when there was nothing.
    #[inline(never)]
    pub fn steal(&mut self) -> bool {
        let (sched, id) = (self.sched, self.id);
        if sched.cpus.len() == 1 || sched.overloaded.is_plainly_empty() {
            sched.probed(Sought::Work, 1);
            return false;
        }
        let turn = self.cpu.stats.schedules.load(Relaxed) as usize;
        let spans = sched.map.groups_in_turn(id, turn);
        let mut probes = 0;
        for (span, overloaded) in sched.found(Sought::Work, &sched.overloaded, spans, None) {
            let busy = overloaded & !sched.idle.word(span.group);
            let hand = sched.overloaded.hand(span.group);
            let victims = sched.map.members_in_turn(span.group, busy, hand);
            for victim in victims.filter(|&victim| victim != id) {
                if probes == MAX_PROBES {
                    return false;
                }
                probes += 1;
                sched.overloaded.move_hand(&sched.map, victim);
                sched.probed(Sought::Work, 1);
                let shelf = &sched.cpus[victim.index()].shared.shelf;
                let far = sched.map.is_remote(id, span.group);
                if (!far || shelf.count() >= REMOTE_SURPLUS) && self.rob(victim) {
                    return true;
                }
            }
        }
        false
    }

    /// Takes one thread of the victim's.
    fn rob(&mut self, victim: CpuId) -> bool {
        let shared = &self.sched.cpus[victim.index()].shared;
        let mut taken = false;
        while !taken && let Some((slot, token)) = shared.shelf.best() {
            self.race_point(RacePoint::Claiming);
            // Losing a slot to another claimant is progress for somebody: look again.
            taken = shared.shelf.claim(slot, token);
            if taken {
                let thread = self.sched.registry.claimed(token);
                self.race_point(RacePoint::Claimed);
                if thread.state.set_home(self.id).control() {
                    settle(&thread);
                }
                thread.body(|body| body.stolen = true);
                bump(&self.cpu.stats.steals, 1);
                let (tid, victim) = (thread.tid(), victim.into());
                self.trace(Event::Steal { tid, victim });
                self.arrive(thread);
            }
        }
        let has_offers = || shared.shelf.best().is_some();
        let Scheduler {
            map, overloaded, ..
        } = self.sched;
        if !has_offers() && overloaded.hide(map, victim, has_offers) {
            let far = shared.shelf.count() >= REMOTE_SURPLUS;
            if mutate("hide_untold", true, false) {
                self.tell_of_surplus(victim, far);
            }
        }
        taken
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
