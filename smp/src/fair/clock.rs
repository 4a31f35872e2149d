//! The virtual clock: what a thread is owed by it, where a newcomer is placed, how it moves on.

use super::{CLOCK_LATE, CLOCK_START, FairQueue};
use crate::body::Body;
use crate::ordered::NOBODY;
use crate::share::{self, HALF_PERIOD_NS, PERIOD_NS, Share, UNIT};
use crate::spec::Policy;

/// So far ahead of the clock, in virtual nanoseconds, a thread still counts as owed time: threads
/// that do little at a time, or yield, need not wait for the clock to catch up with each other.
pub(super) const GRACE: u64 = 1 << 16;
/// The most that a sleeper can save.
const SLEEPER_BONUS_NS: u64 = HALF_PERIOD_NS;
/// So long before the clock, in virtual nanoseconds, whoever wakes is due: before those that only
/// wait for their next turn.
const EARLY: u64 = HALF_PERIOD_NS;

impl FairQueue {
    /// Whether a thread that is placed here is owed time.
    #[inline]
    pub fn is_eligible(&self, share: &Share) -> bool {
        share.start <= self.horizon()
    }

    /// The latest start of those that count as owed time.
    #[inline(always)]
    pub(super) fn horizon(&self) -> u64 {
        self.clock + GRACE
    }

    /// Remembers what a fair thread is owed, so that another queue can honour it.
    #[inline]
    pub fn detach(&self, body: &mut Body) {
        if body.priority == 0 {
            body.share.detach(self.clock);
        }
    }

    /// Places a detached thread on this queue's clock, with a new request. The running thread has
    /// weight `running`, 0 if it is not fair; one that is new or has woken is due before `limit`.
    ///
    /// Those that come are due a fixed time before the clock, so that the first that came goes first,
    /// before all that have had their turn. Were they ordered by what they are owed, each would
    /// wait for a difference of a millisecond as many milliseconds as there are others.
    pub fn attach(&mut self, body: &mut Body, (running, limit): (u64, u64), now_ns: u64) {
        let slept_ns = core::mem::take(&mut body.slept_ns);
        let normal = body.policy == Policy::Normal;
        if slept_ns > 0 {
            self.sleeper_ns = Some(now_ns);
            let weight = self.weight() + running + body.share.weight();
            // What is longer than a second earns no more than a second does.
            let missed = slept_ns.min(1 << 30) * UNIT / weight;
            let bonus = if normal { SLEEPER_BONUS_NS } else { 0 };
            body.share.wake(missed, bonus);
        }
        let ready = self.len() + 1 + usize::from(running > 0);
        let comes = body.share.woken && normal;
        // Whoever comes to an idle CPU will hardly stay alone.
        let crowd = if comes { ready.max(2) } else { ready };
        body.share.attach(self.clock, share::slice_ns(crowd));
        if comes {
            body.share.hurry(self.clock, EARLY, limit);
        }
    }

    /// Places a detached thread back on this queue's clock, with what is left of its request.
    pub fn rejoin(&self, body: &mut Body) {
        body.share.rejoin(self.clock);
    }

    /// Puts the running thread behind its equals that wait and are owed time: its request is due the
    /// longest slice from now, hence after all that they can have made before.
    #[inline(always)]
    pub fn step_back(&self, share: &mut Share) {
        share.step_behind(self.clock + share.virtual_ns(PERIOD_NS));
    }

    /// Moves the clock on: by what was served in `run_ns`, a part to each of the runnable by its
    /// weight; and if nobody is owed time then, to whoever will be next.
    #[inline(always)]
    pub fn advance(&mut self, running: Option<&Share>, run_ns: u64) {
        if let Some(share) = running {
            let weight = self.weight() + share.weight();
            let served = self.served + run_ns * UNIT;
            self.clock += served / weight;
            self.served = served % weight;
        }
        self.admit();
        let owed = |share| self.is_eligible(share);
        if !running.is_some_and(owed) && self.first_deadline() == NOBODY {
            self.catch_up(running.map_or(NOBODY, |share| share.start));
        }
    }

    /// A late clock starts anew with `running` alone, if nobody else is placed on it.
    #[inline(always)]
    pub fn renew(&mut self, running: &mut Share) {
        if self.clock >= CLOCK_LATE && self.len() == 0 {
            running.set_back(self.clock - CLOCK_START);
            self.clock = CLOCK_START;
        }
    }

    /// Nobody is owed time: moves the clock to whoever will be next, which may be the running
    /// thread, that started at `running`.
    #[cold]
    fn catch_up(&mut self, running: u64) {
        let least = self.least_start().min(running);
        if least != NOBODY {
            self.clock = self.clock.max(least);
            self.admit();
        }
    }

    #[inline(always)]
    fn admit(&mut self) {
        let horizon = self.horizon();
        self.movable.admit(horizon);
        self.kept.admit(horizon);
    }
}
