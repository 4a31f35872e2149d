//! The waiters of one lock, the most urgent first, and the thread that holds them up.

use core::cell::Cell;
use core::cmp::Reverse;
use core::ptr;

use intrusive_collections::{KeyAdapter, RBTree, RBTreeLink, UnsafeRef, intrusive_adapter};

use super::inheritance::Place;
use super::{Changed, Urgency};
use crate::identity;
use crate::parker::Sleeper;
use crate::spinlock::{SpinLock, SpinLockGuard};
use crate::sync::{AtomicBool, Ordering, const_fn, mutate};

/// What the most urgent waiter of a queue lends to its owner: a node in the owner's tree, whose
/// lock guards it.
pub(super) struct Loan {
    pub link: RBTreeLink,
    pub urgency: Cell<Urgency>,
}

/// A thread that waits in an [`OwnedQueue`]. Stays in place while it is in there.
pub struct Waiter {
    link: RBTreeLink,
    /// Under the queue's lock.
    urgency: Cell<Urgency>,
    ticket: Cell<u64>,
    thread: Sleeper,
    name: usize,
    /// The lock was handed to it: the last that is written to a waiter by others.
    granted: AtomicBool,
}

// SAFETY: the cells and the link are touched under the queue's lock only.
unsafe impl Send for Waiter {}
// SAFETY: as above.
unsafe impl Sync for Waiter {}

intrusive_adapter!(ByTurn = UnsafeRef<Waiter>: Waiter { link => RBTreeLink });

impl<'a> KeyAdapter<'a> for ByTurn {
    type Key = (Reverse<Urgency>, u64);

    fn get_key(&self, waiter: &'a Waiter) -> Self::Key {
        (Reverse(waiter.urgency.get()), waiter.ticket.get())
    }
}

impl Waiter {
    /// For the calling thread, which `thread` is.
    pub fn new(thread: Sleeper) -> Self {
        Self {
            name: identity::token(),
            link: RBTreeLink::new(),
            urgency: Cell::new(Urgency::NONE),
            ticket: Cell::new(0),
            thread,
            granted: AtomicBool::new(false),
        }
    }

    pub fn thread(&self) -> &Sleeper {
        &self.thread
    }

    /// What a mutex calls the thread.
    pub(crate) fn name(&self) -> usize {
        self.name
    }

    /// How urgent it was when it took its place; under the queue's lock.
    pub(crate) fn urgency(&self) -> Urgency {
        self.urgency.get()
    }

    /// Whether the lock is this thread's now. From then on nobody else touches the waiter.
    pub fn is_granted(&self) -> bool {
        self.granted.load(Ordering::Acquire)
    }
}

/// See the module.
pub struct OwnedQueue {
    loan: Loan,
    /// The lock is user programs': nothing says that its owner ever lets go.
    of_users: bool,
    waiters: SpinLock<Waiters>,
}

// SAFETY: `loan` is guarded by the lock of the owner's inheritance, the rest by its own.
unsafe impl Send for OwnedQueue {}
// SAFETY: as above.
unsafe impl Sync for OwnedQueue {}

struct Waiters {
    owner: Option<Sleeper>,
    by_turn: RBTree<ByTurn>,
    next_ticket: u64,
}

// SAFETY: the nodes are reached under the queue's lock only.
unsafe impl Send for Waiters {}

impl Waiters {
    const fn new() -> Self {
        Self {
            owner: None,
            by_turn: RBTree::new(ByTurn::NEW),
            next_ticket: 0,
        }
    }
}

/// The queue, locked.
pub struct QueueGuard<'a> {
    queue: &'a OwnedQueue,
    waiters: SpinLockGuard<'a, Waiters>,
}

impl OwnedQueue {
    const_fn! {
        /// For a lock of the kernel's.
        pub fn new() -> Self {
            Self {
                loan: Loan {
                    link: RBTreeLink::new(),
                    urgency: Cell::new(Urgency::NONE),
                },
                of_users: false,
                waiters: SpinLock::new(Waiters::new()),
            }
        }
    }

    /// For a lock that user programs hold.
    pub fn of_users() -> Self {
        Self {
            of_users: true,
            ..Self::new()
        }
    }

    pub(super) fn is_of_users(&self) -> bool {
        self.of_users
    }

    pub fn lock(&self) -> QueueGuard<'_> {
        QueueGuard {
            queue: self,
            waiters: self.waiters.lock(),
        }
    }

    pub(super) fn try_lock(&self) -> Option<QueueGuard<'_>> {
        let waiters = self.waiters.try_lock()?;
        Some(QueueGuard {
            queue: self,
            waiters,
        })
    }
}

impl Default for OwnedQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl QueueGuard<'_> {
    pub fn is_empty(&self) -> bool {
        self.waiters.by_turn.is_empty()
    }

    pub fn owner(&self) -> Option<&Sleeper> {
        self.waiters.owner.as_ref()
    }

    /// The waiter whose turn is next.
    pub fn first(&self) -> Option<&Waiter> {
        self.waiters.by_turn.front().get()
    }

    /// Whether `waiter`, which waits here, is the only one.
    pub fn holds_only(&self, waiter: &Waiter) -> bool {
        let first = self.waiters.by_turn.front();
        first.get().is_some_and(|first| ptr::eq(first, waiter)) && first.peek_next().is_null()
    }

    pub fn len(&self) -> usize {
        self.waiters.by_turn.iter().count()
    }

    /// Says who holds the waiters up from now on; takes back what was lent to who did before.
    pub fn set_owner(&mut self, owner: Option<Sleeper>) -> [Changed; 2] {
        let before = self.lend(Urgency::NONE);
        self.waiters.owner = owner;
        [before, self.lend_first()]
    }

    /// Puts the calling thread's waiter in its place.
    ///
    /// # Safety
    /// The waiter and the queue stay in place until it is taken out or granted the lock.
    pub unsafe fn insert(&mut self, waiter: &Waiter) -> Changed {
        let place = Place {
            queue: self.queue,
            waiter,
        };
        let early = waiter.thread.params.urgency();
        let mut state = waiter.thread.inheritance.lock();
        // Under that lock: whoever lends to the thread later finds it waiting here.
        state.waits_in = Some(place);
        let urgency = waiter.thread.params.urgency();
        waiter
            .urgency
            .set(mutate("pi_urgency_read_early", urgency, early));
        drop(state);
        waiter.ticket.set(self.waiters.next_ticket);
        self.waiters.next_ticket += 1;
        // SAFETY: in no queue, and it stays in place, says the caller.
        let node = unsafe { UnsafeRef::from_raw(waiter) };
        self.waiters.by_turn.insert(node);
        self.lend_first()
    }

    /// Takes out a waiter that gives up, or that has found the lock free.
    pub fn remove(&mut self, waiter: &Waiter) -> Changed {
        self.unlink(waiter);
        self.lend_first()
    }

    /// Tells the first waiter that the lock is its own, and makes it the owner of the queue if
    /// that `goes_on`. The caller wakes it, outside the lock.
    pub fn hand_over(&mut self, goes_on: bool) -> Option<(Sleeper, [Changed; 2])> {
        let first = ptr::from_ref(self.waiters.by_turn.front().get()?);
        // SAFETY: alive while it is in the queue.
        Some(self.grant(unsafe { &*first }, goes_on))
    }

    /// The same for the waiter of a thread that was the first a moment ago, when the lock's word
    /// was made to name it: since then another may have become more urgent.
    pub fn hand_over_to(&mut self, heir: &Sleeper) -> Option<(Sleeper, [Changed; 2])> {
        let named = |waiter: &&Waiter| mutate("pi_grants_first", waiter.thread == *heir, true);
        let waiter = ptr::from_ref(self.waiters.by_turn.iter().find(named)?);
        // SAFETY: alive while it is in the queue.
        Some(self.grant(unsafe { &*waiter }, true))
    }

    fn grant(&mut self, waiter: &Waiter, goes_on: bool) -> (Sleeper, [Changed; 2]) {
        let thread = waiter.thread.clone();
        let before = self.lend(Urgency::NONE);
        self.unlink(waiter);
        self.waiters.owner = goes_on.then(|| thread.clone());
        let after = self.lend_first();
        let release = mutate("grant_relaxed", Ordering::Release, Ordering::Relaxed);
        // From here on the waiter may be gone.
        waiter.granted.store(true, release);
        (thread, [before, after])
    }

    /// Puts a waiter where its thread's urgency belongs now.
    pub(super) fn reposition(&mut self, waiter: &Waiter) -> Changed {
        let urgency = waiter.thread.params.urgency();
        if urgency == waiter.urgency.get() {
            return Changed::NOBODY;
        }
        let node = self.take(waiter);
        waiter.urgency.set(urgency);
        self.waiters.by_turn.insert(node);
        self.lend_first()
    }

    fn unlink(&mut self, waiter: &Waiter) {
        let _ = self.take(waiter);
        waiter.thread.inheritance.lock().waits_in = None;
    }

    fn take(&mut self, waiter: &Waiter) -> UnsafeRef<Waiter> {
        debug_assert!(waiter.link.is_linked(), "a waiter that does not wait");
        // SAFETY: a linked waiter is in the queue its thread waits in, which is this one.
        let node = unsafe { self.waiters.by_turn.cursor_mut_from_ptr(waiter) }.remove();
        node.expect("it is in this queue")
    }

    /// Lends the first waiter's urgency to the owner.
    fn lend_first(&self) -> Changed {
        let first = self.waiters.by_turn.front();
        let urgency = first
            .get()
            .map_or(Urgency::NONE, |first| first.urgency.get());
        self.lend(urgency)
    }

    fn lend(&self, urgency: Urgency) -> Changed {
        let Some(owner) = &self.waiters.owner else {
            return Changed::NOBODY;
        };
        let mut state = owner.inheritance.lock();
        // SAFETY: the loan goes to the owner alone, and is taken back before that changes.
        let changed = unsafe { state.set_loan(owner, &self.queue.loan, urgency) };
        Changed(changed.then(|| owner.clone()))
    }
}
