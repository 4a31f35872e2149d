//! The normal class of one CPU: shares by weight, earliest eligible virtual deadline first.
//!
//! `share.rs` says what each thread brings. The clock passes at the pace of an ideal machine that
//! serves all runnable threads at once, by weight; of those that are owed time by it the earliest
//! deadline runs. If nobody is owed any, the clock moves up to whoever will be next. It never goes
//! back, and it moves with the service whoever got it. A thread that is ahead of the clock by a
//! trifle ([`clock::GRACE`]) counts as owed. What makes this differ from the paper and
//! from Linux, and why, is told in `docs/decisions/scheduler.md`.
//!
//! All threads up to the number of shelf slots are offered there; the rest wait in two lines,
//! `movable` for those that may be offered when a slot comes free and `kept` for those that may
//! not. The owner orders slots and lines exactly, by its private copy of what it offered.

mod choice;
mod clock;
mod taking;
#[cfg(all(test, not(loom)))]
mod tests;

use intrusive_collections::UnsafeRef;
use percpu::CpuId;

use crate::held::Held;
use crate::line::Line;
use crate::offers::Offers;
use crate::roamers::Roamers;
use crate::share;
use crate::shelf::Shelf;
use crate::thread::Waiting;
use clock::GRACE;

/// For so long after one woke here a CPU counts as one that has sleepers.
const SLEEPER_MEMORY_NS: u64 = 100_000_000;
/// Virtual clocks start here, so that "before the clock" is never below zero.
const CLOCK_START: u64 = 1 << 40;
/// Past this a clock starts anew as soon as nobody waits. One thread of `Policy::Idle` gets there in
/// five months. To overflow, two of them would have to share a CPU for three years without a gap.
const CLOCK_LATE: u64 = 1 << 62;

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

    /// Whether any that waits here could go elsewhere.
    #[inline(always)]
    pub fn may_go(&self) -> bool {
        self.has_offers() || !self.movable.is_empty() || !self.roamers.is_empty()
    }

    /// Those that wait here and could wait elsewhere, but are not offered.
    pub fn roamers(&self) -> &Roamers {
        &self.roamers
    }

    /// The weights of all that wait.
    pub fn weight(&self) -> u64 {
        self.offers.weight() + self.lined_weight
    }
}
