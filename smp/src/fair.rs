//! The normal class of one CPU: shares by weight, earliest eligible virtual deadline first.
//!
//! `share.rs` says what each thread brings. The clock passes at the pace of an ideal machine that
//! serves all runnable threads at once, by weight; of those that are owed time by it the earliest
//! deadline runs. If nobody is owed any, the clock moves up to whoever will be next. It never goes
//! back, and it moves with the service whoever got it. A thread that is ahead of the clock by a
//! trifle ([`GRACE`]) counts as owed. What makes this differ from the paper and
//! from Linux, and why, is told in `docs/decisions/scheduler.md`.
//!
//! All threads up to the number of shelf slots are offered there; the rest wait in two lines,
//! `movable` for those that may be offered when a slot comes free and `kept` for those that may
//! not. The owner orders slots and lines exactly, by its private copy of what it offered.

use core::ptr;

use intrusive_collections::UnsafeRef;
use percpu::CpuId;

use crate::body::Body;
use crate::held::Held;
use crate::line::Line;
use crate::offers::Offers;
use crate::ordered::{NOBODY, body_of};
use crate::roamers::Roamers;
use crate::share::{self, HALF_PERIOD_NS, PERIOD_NS, Share, UNIT};
use crate::shelf::{SLOTS, Shelf};
use crate::spec::Policy;
use crate::thread::{Thread, Waiting};

/// So far ahead of the clock, in virtual nanoseconds, a thread still counts as owed time: threads
/// that do little at a time, or yield, need not wait for the clock to catch up with each other.
const GRACE: u64 = 1 << 16;
/// The most a sleeper is placed before the clock.
const SLEEPER_BONUS_NS: u64 = HALF_PERIOD_NS;
/// For so long after one woke here a CPU counts as one that has sleepers.
const SLEEPER_MEMORY_NS: u64 = 100_000_000;
/// Virtual clocks start here, so that "before the clock" is never below zero.
const CLOCK_START: u64 = 1 << 40;
/// Past this a clock starts anew as soon as nobody waits. One thread of `Policy::Idle` gets there in
/// five months. To overflow, two of them would have to share a CPU for three years without a gap.
const CLOCK_LATE: u64 = 1 << 62;

/// Where the next thread would come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Slot(usize),
    Movable,
    Kept,
}

/// The fair queue of one CPU. Owner only.
pub(crate) struct FairQueue {
    cpu: CpuId,
    movable: Line,
    kept: Line,
    /// How many wait in the two lines, and the sum of their weights.
    lined: usize,
    lined_weight: u64,
    /// Of the kept.
    roamers: Roamers,
    offers: Offers,
    clock: u64,
    /// Service in weighted nanoseconds that does not make the clock's next nanosecond yet.
    served: u64,
    /// When a thread that had slept last came.
    sleeper_ns: Option<u64>,
}

impl FairQueue {
    /// Of `cpu`, which may be the only one.
    pub fn new(cpu: CpuId, alone: bool) -> Self {
        Self {
            cpu,
            movable: Line::new(),
            kept: Line::new(),
            lined: 0,
            lined_weight: 0,
            roamers: Roamers::new(alone),
            offers: Offers::new(),
            clock: CLOCK_START,
            served: 0,
            sleeper_ns: None,
        }
    }

    /// Threads that wait, as far as the owner knows.
    pub fn len(&self) -> usize {
        self.offers.len() + self.lined
    }

    /// How many threads are offered.
    pub fn offered(&self) -> usize {
        self.offers.len()
    }

    /// Whether anything is offered.
    pub fn has_offers(&self) -> bool {
        self.offers.len() > 0
    }

    /// What a thread that has used its slice up may run next. Hogs get half while others here
    /// sleep and wake, so that these wait less.
    pub fn next_slice_ns(&self, now_ns: u64) -> u64 {
        let slice = share::slice_ns(self.len() + 1);
        let since = |at: u64| now_ns.saturating_sub(at);
        match self
            .sleeper_ns
            .is_some_and(|at| since(at) < SLEEPER_MEMORY_NS)
        {
            true => slice / 2,
            false => slice,
        }
    }

    /// Whether a thread that is placed here is owed time.
    #[inline]
    pub fn is_eligible(&self, share: &Share) -> bool {
        share.start <= self.horizon()
    }

    /// The latest start of those that count as owed time.
    #[inline(always)]
    fn horizon(&self) -> u64 {
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

    /// Queues an attached thread: in a free slot if it may be offered, else in a line.
    #[inline(always)]
    pub fn insert(&mut self, thread: Held, shelf: &Shelf, movable: bool) {
        if movable && !self.offers.is_full() {
            return self.offer(thread, shelf);
        }
        let (line, place) = match movable {
            true => (&mut self.movable, Waiting::Movable),
            false => (&mut self.kept, Waiting::Kept),
        };
        if !movable {
            thread.body(|body| self.roamers.add(&thread, body));
        }
        self.lined += 1;
        self.lined_weight += thread.body(|body| body.share.weight());
        thread.set_waiting(self.cpu, Some(place));
        // SAFETY: held, so in no tree, and it stays alive and put until it is taken out.
        let thread = unsafe { UnsafeRef::from_raw(thread.into_raw()) };
        line.insert(thread, self.clock + GRACE);
    }

    #[inline(never)]
    fn offer(&mut self, thread: Held, shelf: &Shelf) {
        // For the thief: what the thread is owed here.
        thread.body(|body| self.detach(body));
        self.offers.put(thread, shelf);
    }

    /// Fills free slots with the most urgent movable threads.
    pub fn refill(&mut self, shelf: &Shelf) {
        while !self.movable.is_empty() && !self.offers.is_full() {
            if let Some(thread) = self.movable.take_first() {
                let thread = self.taken(thread);
                self.offer(thread, shelf);
            }
        }
    }

    /// Forgets offers that others claimed.
    #[inline]
    pub fn reconcile(&mut self, shelf: &Shelf) {
        self.offers.reconcile(shelf);
    }

    /// The earliest deadline among the eligible; `NOBODY` when there is none.
    #[inline(always)]
    fn first(&self) -> (u64, Source) {
        let lines = [self.movable.first(), self.kept.first()];
        self.earliest(lines, |offers| offers.first(self.horizon()))
    }

    /// The least start, asked for when nobody is eligible.
    fn least(&self) -> (u64, Source) {
        let lines = [self.movable.least_later(), self.kept.least_later()];
        self.earliest(lines, Offers::least)
    }

    /// Of equals the first: offered, movable, kept.
    #[inline(always)]
    fn earliest(
        &self,
        [movable, kept]: [u64; 2],
        offered: impl FnOnce(&Offers) -> Option<(u64, usize)>,
    ) -> (u64, Source) {
        let lines = match kept < movable {
            true => (kept, Source::Kept),
            false => (movable, Source::Movable),
        };
        if !self.has_offers() {
            return lines;
        }
        match offered(&self.offers) {
            Some((offered, slot)) if offered <= lines.0 => (offered, Source::Slot(slot)),
            _ => lines,
        }
    }

    /// The earliest deadline among those that wait and are owed time; later than any if nobody is.
    #[inline(always)]
    pub fn first_deadline(&self) -> u64 {
        self.first().0
    }

    /// Puts the running thread behind its equals that wait and are owed time: its request is due the
    /// longest slice from now, hence after all that they can have made before.
    #[inline(always)]
    pub fn step_back(&self, share: &mut Share) {
        share.step_behind(self.clock + share.virtual_ns(PERIOD_NS));
    }

    /// Whether any that waits here could go elsewhere.
    #[inline(always)]
    pub fn may_go(&self) -> bool {
        self.has_offers() || !self.movable.is_empty() || !self.roamers.is_empty()
    }

    /// Those that wait here and could wait elsewhere, but are not offered.
    pub fn roamers(&self) -> &Roamers {
        &self.roamers
    }

    /// Takes the thread to run: the earliest deadline among the eligible, else the least start.
    #[inline(always)]
    pub fn pop(&mut self, shelf: &Shelf) -> Option<Held> {
        loop {
            let (mut key, mut source) = self.first();
            if key == NOBODY {
                (key, source) = self.least();
            }
            if key == NOBODY {
                return None;
            }
            let line = match source {
                Source::Slot(slot) => match self.offers.take(slot, shelf) {
                    Some(thread) => return Some(thread),
                    None => continue, // Claimed meanwhile.
                },
                Source::Movable => &mut self.movable,
                Source::Kept => &mut self.kept,
            };
            let thread = line.take_first();
            return thread.map(|thread| self.taken(thread));
        }
    }

    /// Takes back the offer of one particular thread, if it was offered and nobody claimed it.
    pub fn withdraw(&mut self, thread: &Thread, shelf: &Shelf) -> Option<Held> {
        self.offers.withdraw(thread.id(), shelf)
    }

    /// Takes a thread that may run on `target` and whose weight `suits`, from the end of the queue
    /// if there is a choice.
    /// One that was stolen too: what it was stolen for may have turned into a long wait.
    pub fn take_for(
        &mut self,
        target: CpuId,
        shelf: &Shelf,
        suits: impl Fn(u64) -> bool,
    ) -> Option<Held> {
        let fits = |thread: &Thread| body_of(thread, |body| suits(body.share.weight()));
        let found = self.movable.find_last(SLOTS, fits).map(ptr::from_ref);
        if let Some(thread) = found {
            // SAFETY: it was just found in this very line.
            return Some(unsafe { self.unlink(&*thread, Waiting::Movable) });
        }
        if let Some(thread) = self.offers.take_last(shelf, &suits) {
            return Some(thread);
        }
        self.take_kept(|thread| thread.may_run_on(target) && fits(thread))
    }

    /// Takes a thread that may run on `target`, has been here since `since_ns` or longer, and
    /// whose weight `suits`.
    pub fn take_eldest(
        &mut self,
        since_ns: u64,
        target: CpuId,
        shelf: &Shelf,
        suits: impl Fn(u64) -> bool,
    ) -> Option<Held> {
        let offered = self.offers.take_eldest(since_ns, shelf, &suits);
        let settled = |body: &mut Body| {
            !body.stolen && body.arrived_ns <= since_ns && suits(body.share.weight())
        };
        let fits = |thread: &Thread| thread.may_run_on(target) && body_of(thread, settled);
        offered.or_else(|| self.take_kept(fits))
    }

    /// Takes one of those that are not offered, the restricted and the stolen: the first of a few
    /// that fits.
    pub fn take_kept(&mut self, fits: impl Fn(&Thread) -> bool) -> Option<Held> {
        if self.roamers.is_empty() {
            return None;
        }
        let fits = |thread: &&Thread| body_of(thread, |body| body.roams) && fits(thread);
        let thread = ptr::from_ref(self.kept.iter().take(SLOTS).find(fits)?);
        // SAFETY: it was just found in this very line.
        Some(unsafe { self.unlink(&*thread, Waiting::Kept) })
    }

    /// Takes a thread out of the line it is in.
    ///
    /// # Safety
    /// The thread is in this queue's line `place`.
    pub unsafe fn unlink(&mut self, thread: &Thread, place: Waiting) -> Held {
        let line = match place {
            Waiting::Movable => &mut self.movable,
            _ => &mut self.kept,
        };
        // SAFETY: it is in this very line, says the caller.
        let thread = unsafe { line.unlink(thread) };
        self.taken(thread)
    }

    fn taken(&mut self, thread: UnsafeRef<Thread>) -> Held {
        thread.set_waiting(self.cpu, None);
        // SAFETY: just taken out of the line, which held it.
        let thread = unsafe { Held::assume(UnsafeRef::into_raw(thread)) };
        self.lined -= 1;
        thread.body(|body| {
            self.lined_weight -= body.share.weight();
            self.roamers.remove(body);
        });
        thread
    }

    /// The weights of all that wait.
    pub fn weight(&self) -> u64 {
        self.offers.weight() + self.lined_weight
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
        let least = self.least().0.min(running);
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::params::Params;

    /// What a thread asks for that wakes beside one of the unit weight that asked for `asked_ns`.
    fn request_ns(running: (u64, u64)) -> u64 {
        let mut body = Body::new(Params::default());
        body.slept_ns = 1;
        FairQueue::new(CpuId::new(0), true).attach(&mut body, running, 0);
        body.share.deadline - body.share.start
    }

    #[test]
    fn who_wakes_asks_for_no_less_than_who_woke_before() {
        let alone = request_ns((0, 0));
        assert_eq!(alone, share::slice_ns(2));
        let beside_a_hog = request_ns((UNIT, 0));
        assert_eq!(beside_a_hog, share::slice_ns(2));
        let beside_one_that_woke = request_ns((UNIT, share::slice_ns(1)));
        assert_eq!(beside_one_that_woke, share::slice_ns(1));
    }

    #[test]
    fn a_request_is_the_first_until_it_is_served() {
        let mut body = Body::new(Params::default());
        body.slept_ns = 1;
        FairQueue::new(CpuId::new(0), true).attach(&mut body, (0, 0), 0);
        let first_ns = body.share.first_ns;
        body.share
            .charge(first_ns - 1, || unreachable!("not served"));
        assert_eq!(body.share.first_ns, first_ns);
        body.share.charge(1, || 1);
        assert_eq!(body.share.first_ns, 0);
    }
}
