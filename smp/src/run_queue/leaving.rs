//! The end of an action: offering surplus to others, and waking one of them for it.

use core::sync::atomic::Ordering::Relaxed;

use percpu::CpuId;

use crate::chaos::RacePoint;
use crate::control_word::{LOOK, WORK};
use crate::owner::Owner;
use crate::platform::Platform;
use crate::search::Sought;
use crate::steal::REMOTE_SURPLUS;
use crate::sync::{Ordering, fence, mutate};

impl<P: Platform> Owner<'_, P> {
    /// Ends an action that may have changed the queue: offers surplus, tells an idle CPU, sets
    /// the tick as needed. On return no request is left that nobody would interrupt for.
    #[inline(always)]
    pub fn leave(&mut self) {
        loop {
            if self.sched.cpus.len() > 1 && self.concerns_others() {
                self.offer_to_others();
            }
            let waiting = self.local.waiting();
            let hints = &self.cpu.shared.hints;
            hints.nr_ready.store(waiting as u32, Relaxed);
            if self.update_tick(waiting) {
                break;
            }
            self.serve();
        }
        self.dirty = false;
        if self.local.exits.count() {
            let now = self.now();
            self.local.exits.mark(now);
        }
        self.program_timer();
    }

    /// Whether others should hear of something that waits here, or that nothing does any more.
    #[inline(always)]
    fn concerns_others(&mut self) -> bool {
        self.publish_priority();
        let local = &self.local;
        local.told || local.dropped || local.fair.may_go() || !local.realtime.roamers().is_empty()
    }

    #[inline(never)]
    fn offer_to_others(&mut self) {
        self.local.told = false;
        self.hand_on();
        self.share_surplus();
        self.pass_kick_on();
    }

    fn share_surplus(&mut self) {
        let (map, shelf) = (&self.sched.map, &self.cpu.shared.shelf);
        self.local.fair.reconcile(shelf);
        self.local.fair.refill(shelf);
        if !self.local.fair.has_offers() {
            self.sched.overloaded.remove(map, self.id);
            return;
        }
        self.local.told = true;
        self.sched.overloaded.show(map, self.id);
        self.race_point(RacePoint::Offered);
        if !self.local.is_idle() || self.local.fair.len() > 1 {
            let far = self.local.fair.offered() >= REMOTE_SURPLUS;
            self.tell_of_surplus(self.id, far);
        }
    }

    /// CPU `at` has come to show surplus: an idle CPU is to look for it; one on another memory node
    /// only if `far`.
    pub fn tell_of_surplus(&mut self, at: CpuId, far: bool) {
        // Pairs with the fence of `look_elsewhere`: either this CPU sees the idle bit now, or the
        // idle CPU sees the offer when it looks.
        if mutate("surplus_fence", true, false) {
            fence(Ordering::SeqCst);
        }
        self.kick_idle(at, far);
    }

    /// This CPU was kicked and has found something else to do: another idle CPU is to look.
    fn pass_kick_on(&mut self) {
        if !self.local.kicked {
            return;
        }
        if self.local.is_idle() {
            self.local.told = true; // It looks next, or comes back here.
        } else {
            self.local.kicked = false;
            if mutate("kick_kept", true, false) {
                self.kick_idle(self.id, true);
            }
        }
    }

    /// Wakes one idle CPU, the nearest to `at`, to look for surplus.
    #[inline(never)]
    pub fn kick_idle(&mut self, at: CpuId, far: bool) {
        let (sched, map, id) = (self.sched, &self.sched.map, self.id);
        let spans = sched.spreading_order(at).iter();
        let spans = spans.filter(|span| far || !map.is_remote(at, span.group));
        for (span, idle) in sched.found(Sought::Cpu, &sched.idle, spans, None) {
            for cpu in map.members(span.group, idle, at) {
                let claimed = cpu != id && sched.idle.remove(map, cpu);
                if claimed && self.ring(cpu, WORK | LOOK) {
                    return;
                }
            }
        }
    }
}
