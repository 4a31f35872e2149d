//! The virtual clock: what a thread is owed by it, where a newcomer is placed, how it moves on.

use super::{CLOCK_LATE, CLOCK_START, FairQueue};
use crate::body::Body;
use crate::ordered::NOBODY;
use crate::share::{self, HALF_PERIOD_NS, PERIOD_NS, Share, UNIT};
use crate::spec::Policy;

/// So far ahead of the clock, in virtual nanoseconds, a thread still counts as owed time: threads
/// that do little at a time, or yield, need not wait for the clock to catch up with each other.
pub(super) const GRACE: u64 = 1 << 16;
/// The most a sleeper is placed before the clock.
const SLEEPER_BONUS_NS: u64 = HALF_PERIOD_NS;

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
    /// weight `running` and woke with a request of `asked_ns`, or 0 if that does not count.
    ///
    /// Who wakes asks for no less than who woke before and runs still: otherwise it would go first
    /// just because more are ready now, and those that wake one another would switch at each wake.
    pub fn attach(&mut self, body: &mut Body, (running, asked_ns): (u64, u64), now_ns: u64) {
        let slept_ns = core::mem::take(&mut body.slept_ns);
        let ready = self.len() + 1 + usize::from(running > 0);
        if slept_ns > 0 {
            self.sleeper_ns = Some(now_ns);
            let weight = self.weight() + running + body.share.weight();
            // What is longer than a second earns no more than a second does.
            let missed = slept_ns.min(1 << 30) * UNIT / weight;
            let bonus = match body.policy {
                Policy::Normal => SLEEPER_BONUS_NS,
                _ => 0,
            };
            body.share.wake(missed, bonus);
            // Whoever wakes on an idle CPU will hardly stay alone.
            body.share.first_ns = share::slice_ns(ready.max(2)).max(asked_ns);
        }
        let request_ns = match body.share.first_ns {
            0 => share::slice_ns(ready),
            first_ns => first_ns,
        };
        body.share.attach(self.clock, request_ns);
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
