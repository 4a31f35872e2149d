//! The normal class: shares by weight, in the order of virtual deadlines.
//!
//! Each thread has a virtual start, its CPU time divided by its weight, and a virtual deadline,
//! the start plus one slice. The earliest deadline runs. Nobody starves: while a thread waits its
//! deadline stands still and those of the threads that run move past it. The virtual clock follows
//! the least start among the runnable and what they are served; a thread that joins is placed at
//! the clock minus the lag it brings (what it was owed where it came from, or a bounded bonus for
//! having slept).
//!
//! All threads up to the number of shelf slots are offered there; the rest wait in two trees,
//! `movable` for those that may be offered when a slot comes free and `kept` for those that may
//! not. The owner orders slots and trees exactly, by its private copy of what it offered.

use core::ptr;

use intrusive_collections::{KeyAdapter, RBTree, RBTreeLink, UnsafeRef, intrusive_adapter};
use percpu::CpuId;

use crate::body::Body;
use crate::held::Held;
use crate::offers::Offers;
use crate::shelf::{SLOTS, Shelf};
use crate::thread::{Thread, Waiting};

/// The unit weight, that of nice 0.
const UNIT: u64 = 1024;
/// Linux's weights by nice value, -20 first: each step is a quarter more or less CPU time.
const WEIGHTS: [u32; 40] = [
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
    3906, 3121, 2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87,
    70, 56, 45, 36, 29, 23, 18, 15,
];
/// The weight of `Policy::Idle`.
const IDLE_WEIGHT: u32 = 3;

const PERIOD_NS: u64 = 6_000_000;
const MIN_QUANTUM_NS: u64 = 1_000_000;
/// What a slice is worth in deadlines, whatever the load.
const SLICE_NS: u64 = 3_000_000;
/// The most a sleeper is placed before the clock.
const SLEEPER_BONUS_NS: i64 = SLICE_NS as i64;
/// Virtual clocks start here, so that "before the clock" is never below zero.
const CLOCK_START: u64 = 1 << 40;

/// How long a thread may run while `waiting` others are ready.
pub(crate) fn quantum_ns(waiting: usize) -> u64 {
    (PERIOD_NS / (waiting as u64 + 1)).clamp(MIN_QUANTUM_NS, PERIOD_NS)
}

pub(crate) fn weight(nice: i8, idle: bool) -> u32 {
    if idle {
        return IDLE_WEIGHT;
    }
    WEIGHTS[(nice.clamp(-20, 19) + 20) as usize]
}

/// The fair part of a thread, owned by its holder.
#[derive(Debug)]
pub(crate) struct Share {
    pub weight: u32,
    start: u64,
    deadline: u64,
    /// Clock minus start when it last left a queue: positive when it is owed time.
    lag: i64,
}

impl Share {
    pub fn new(weight: u32) -> Self {
        let (start, deadline, lag) = (0, 0, 0);
        Self {
            weight,
            start,
            deadline,
            lag,
        }
    }

    /// Changes the weight: what it is owed, and the rest of its slice, stay the same in real time.
    pub fn reweigh(&mut self, weight: u32) {
        let (old, new) = (u64::from(self.weight), u64::from(weight));
        self.weight = weight;
        if old != new {
            self.deadline = self.start + self.left() * old / new;
            self.lag = self.lag * old as i64 / new as i64;
        }
    }

    /// What is left of its slice, in virtual time.
    fn left(&self) -> u64 {
        self.deadline.saturating_sub(self.start)
    }

    /// Neither owed nor owing.
    pub fn forget(&mut self) {
        self.lag = 0;
    }

    #[inline]
    fn virtual_ns(&self, real_ns: u64) -> u64 {
        if u64::from(self.weight) == UNIT {
            return real_ns;
        }
        real_ns * UNIT / u64::from(self.weight)
    }

    /// Accounts CPU time; when the slice is used up the next begins.
    pub fn charge(&mut self, run_ns: u64, slice_ns: u64) {
        self.start += self.virtual_ns(run_ns);
        if self.start >= self.deadline {
            self.deadline = self.start + self.virtual_ns(slice_ns);
        }
    }

    /// Lets everybody up to `deadline` go first.
    pub fn step_behind(&mut self, deadline: u64) {
        self.deadline = self.deadline.max(deadline + 1);
    }

    pub fn start(&self) -> u64 {
        self.start
    }

    pub fn deadline(&self) -> u64 {
        self.deadline
    }
}

/// Where the next thread would come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Slot(usize),
    Movable,
    Kept,
}

intrusive_adapter!(ShareTree = UnsafeRef<Thread>: Thread { fair_link => RBTreeLink });

impl<'a> KeyAdapter<'a> for ShareTree {
    type Key = u64;

    fn get_key(&self, thread: &'a Thread) -> u64 {
        start_and_deadline(thread).1
    }
}

/// Of a thread in one of the trees of the calling owner.
fn start_and_deadline(thread: &Thread) -> (u64, u64) {
    // SAFETY: the owner holds the threads in its trees; nobody writes while it reads.
    thread
        .body
        .with(|body| unsafe { ((*body).share.start, (*body).share.deadline) })
}

/// The fair queue of one CPU. Owner only.
pub(crate) struct FairQueue {
    cpu: CpuId,
    movable: RBTree<ShareTree>,
    kept: RBTree<ShareTree>,
    offers: Offers,
    in_trees: usize,
    clock: u64,
}

impl FairQueue {
    pub fn new(cpu: CpuId) -> Self {
        Self {
            cpu,
            movable: RBTree::new(ShareTree::new()),
            kept: RBTree::new(ShareTree::new()),
            offers: Offers::new(),
            in_trees: 0,
            clock: CLOCK_START,
        }
    }

    pub fn len(&self) -> usize {
        self.offers.len() + self.in_trees
    }

    /// Whether anything is offered.
    pub fn has_offers(&self) -> bool {
        self.offers.len() > 0
    }

    /// Remembers what a fair thread is owed, so that another queue can honour it.
    pub fn detach(&self, body: &mut Body) {
        if body.priority > 0 {
            return;
        }
        let share = &mut body.share;
        let limit = 2 * share.virtual_ns(SLICE_NS) as i64;
        let lag = self.clock.wrapping_sub(share.start) as i64;
        share.lag = lag.clamp(-limit, limit);
    }

    /// Places a detached thread on this queue's clock, with a fresh slice.
    pub fn attach(&self, body: &mut Body, slice_ns: u64) {
        let slept = core::mem::take(&mut body.slept_ns).min(SLEEPER_BONUS_NS as u64) as i64;
        let share = &mut body.share;
        share.lag = (share.lag + slept).min(SLEEPER_BONUS_NS);
        share.start = self.clock.saturating_add_signed(-share.lag);
        share.deadline = share.start + share.virtual_ns(slice_ns);
    }

    /// Places a detached thread back on this queue's clock, with what is left of its slice.
    pub fn rejoin(&self, body: &mut Body) {
        let share = &mut body.share;
        let left = share.left();
        share.start = self.clock.saturating_add_signed(-share.lag);
        share.deadline = share.start + left;
    }

    /// Queues an attached thread: in a free slot if it may be offered, else in a tree.
    pub fn insert(&mut self, thread: Held, shelf: &Shelf, movable: bool) {
        if movable && !self.offers.is_full() {
            return self.offer(thread, shelf);
        }
        let (tree, place) = match movable {
            true => (&mut self.movable, Waiting::Movable),
            false => (&mut self.kept, Waiting::Kept),
        };
        thread.set_waiting(self.cpu, Some(place));
        // SAFETY: held, so in no tree, and it stays alive and put until it is taken out.
        tree.insert(unsafe { UnsafeRef::from_raw(thread.into_raw()) });
        self.in_trees += 1;
    }

    fn offer(&mut self, thread: Held, shelf: &Shelf) {
        // For the thief: what the thread is owed here.
        thread.body(|body| self.detach(body));
        self.offers.put(thread, shelf);
    }

    /// Fills free slots with the most urgent movable threads.
    pub fn refill(&mut self, shelf: &Shelf) {
        while !self.movable.is_empty() && !self.offers.is_full() {
            let thread = self.take_first(Waiting::Movable);
            self.offer(thread, shelf);
        }
    }

    /// Forgets offers that others claimed.
    #[inline]
    pub fn reconcile(&mut self, shelf: &Shelf) {
        self.offers.reconcile(shelf);
    }

    #[inline]
    fn first(&self) -> Option<(u64, Source)> {
        let head = |tree: &RBTree<ShareTree>, source| {
            let first = tree.front().get();
            first.map(|thread| (start_and_deadline(thread).1, source))
        };
        let offered = self.offers.first();
        let offered = offered.map(|(deadline, slot)| (deadline, Source::Slot(slot)));
        let movable = head(&self.movable, Source::Movable);
        let kept = head(&self.kept, Source::Kept);
        let all = [offered, movable, kept].into_iter().flatten();
        all.min_by_key(|(deadline, _)| *deadline)
    }

    /// The earliest deadline that waits.
    pub fn first_deadline(&self) -> Option<u64> {
        self.first().map(|(deadline, _)| deadline)
    }

    /// Takes the thread with the earliest deadline.
    pub fn pop(&mut self, shelf: &Shelf) -> Option<Held> {
        loop {
            let (_, source) = self.first()?;
            let taken = match source {
                Source::Slot(slot) => self.offers.take(slot, shelf),
                Source::Movable => Some(self.take_first(Waiting::Movable)),
                Source::Kept => Some(self.take_first(Waiting::Kept)),
            };
            if taken.is_some() {
                return taken;
            }
        }
    }

    /// Takes back the offer of one particular thread, if it was offered and nobody claimed it.
    pub fn withdraw(&mut self, thread: &Thread, shelf: &Shelf) -> Option<Held> {
        self.offers.withdraw(thread.id(), shelf)
    }

    /// Takes a thread that may run on `target`, from the end of the queue if there is a choice.
    pub fn take_for(&mut self, target: CpuId, shelf: &Shelf) -> Option<Held> {
        if let Some(thread) = self.movable.back().get() {
            let thread = ptr::from_ref(thread);
            // SAFETY: it is the last of this very tree.
            return Some(unsafe { self.unlink(&*thread, Waiting::Movable) });
        }
        if let Some(thread) = self.offers.take_any(shelf) {
            return Some(thread);
        }
        let fits = |thread: &&Thread| thread.is_restricted() && thread.may_run_on(target);
        let thread = ptr::from_ref(self.kept.iter().take(SLOTS).find(fits)?);
        // SAFETY: it was just found in this very tree.
        Some(unsafe { self.unlink(&*thread, Waiting::Kept) })
    }

    fn tree(&mut self, place: Waiting) -> &mut RBTree<ShareTree> {
        match place {
            Waiting::Movable => &mut self.movable,
            _ => &mut self.kept,
        }
    }

    fn take_first(&mut self, place: Waiting) -> Held {
        let first = self.tree(place).front_mut().remove();
        self.taken(first)
    }

    /// Takes a thread out of the tree it is in.
    ///
    /// # Safety
    /// The thread is in this queue's tree `place`.
    pub unsafe fn unlink(&mut self, thread: &Thread, place: Waiting) -> Held {
        // SAFETY: it is in this very tree, says the caller.
        let found = unsafe { self.tree(place).cursor_mut_from_ptr(thread) }.remove();
        self.taken(found)
    }

    fn taken(&mut self, thread: Option<UnsafeRef<Thread>>) -> Held {
        let thread = thread.expect("it was just seen in the tree");
        thread.set_waiting(self.cpu, None);
        self.in_trees -= 1;
        // SAFETY: just taken out of the tree, which held it.
        unsafe { Held::assume(UnsafeRef::into_raw(thread)) }
    }

    /// Moves the virtual clock on, after the thread with start `running` ran for `run_ns`.
    ///
    /// To the least start, for nobody is owed more than all. And by the service itself, each of
    /// the runnable a part, as far as the thread that ran has come: else short-lived threads and
    /// sleepers, placed at the clock again and again, would pass those that wait for ever.
    pub fn advance(&mut self, running: Option<u64>, run_ns: u64) {
        let served = self.clock + run_ns / (self.len() as u64 + 1);
        let reached = running.map_or(self.clock, |start| served.min(start));
        self.clock = self.clock.max(reached);
        let heads = [&self.movable, &self.kept].map(|tree| tree.front().get());
        let heads = heads
            .into_iter()
            .flatten()
            .map(|thread| start_and_deadline(thread).0);
        let offered = self.offers.least_start();
        if let Some(least) = heads.chain(offered).chain(running).min() {
            self.clock = self.clock.max(least);
        }
    }
}
