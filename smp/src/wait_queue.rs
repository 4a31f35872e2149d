//! Wait queues: threads that sleep until a condition holds.
//!
//! The sleeper enqueues itself, looks at its condition once more and parks; the waker makes the
//! condition true and then wakes. Neither can miss the other: between "enqueue" and "look", and
//! between "make true" and "anybody waiting?", each side has a full fence, so at least one of
//! them sees what the other wrote. Waking an empty queue costs that fence and one load.
//!
//! A waiter's node lives on its own stack. The waker touches it under the queue's lock only, and
//! its last touch is the Release store to `state`; a sleeper that reads that store (Acquire), or
//! takes itself off under the lock, may return.

use crate::parker::{Sleeper, Unparked, current, park};
use crate::spinlock::SpinLock;
use crate::sync::{AtomicU8, AtomicUsize, Ordering, UnsafeCell, const_fn, fence, mutate};
use crate::timeout::Timeout;
use core::ptr;

/// The deadline passed before the condition held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

/// A FIFO of sleeping threads. The wake side may be called from any context.
pub struct WaitQueue {
    /// How many nodes the list has. Written under the lock, read without.
    waiting: AtomicUsize,
    list: SpinLock<List>,
}

impl WaitQueue {
    const_fn! {
        pub fn new() -> Self {
            WaitQueue {
                waiting: AtomicUsize::new(0),
                list: SpinLock::new(List::EMPTY),
            }
        }
    }

    /// Sleeps until `condition` gives a value. It is looked at first of all, and after every wake
    /// of this thread whatever its reason; it may itself sleep.
    pub fn wait<R>(&self, condition: impl FnMut() -> Option<R>) -> R {
        match self.wait_until(None, condition) {
            Ok(value) => value,
            Err(TimedOut) => unreachable!("a wait without a deadline timed out"),
        }
    }

    /// The same, for a limited time; with [`Timeout::Now`] it is one look at the condition.
    pub fn wait_for<R>(
        &self,
        timeout: Timeout,
        mut condition: impl FnMut() -> Option<R>,
    ) -> Result<R, TimedOut> {
        match timeout {
            Timeout::Now => condition().ok_or(TimedOut),
            _ => self.wait_until(timeout.deadline_ns(), condition),
        }
    }

    /// The same, until `deadline_ns` (monotonic) at the latest. The condition has the last word.
    ///
    /// A caller that gives up for a reason of its own (it returns a "give up" value from the
    /// condition) may have swallowed a `wake_one` and must call [`Self::wake_one`] itself.
    #[inline]
    pub fn wait_until<R>(
        &self,
        deadline_ns: Option<u64>,
        mut condition: impl FnMut() -> Option<R>,
    ) -> Result<R, TimedOut> {
        match condition() {
            Some(value) => Ok(value),
            None => self.sleep_until(deadline_ns, condition),
        }
    }

    /// The same for a thread that has looked at the condition already.
    #[inline(never)]
    pub fn sleep_until<R>(
        &self,
        deadline_ns: Option<u64>,
        mut condition: impl FnMut() -> Option<R>,
    ) -> Result<R, TimedOut> {
        let node = Waiter::new();
        let waiter = Enqueued {
            queue: self,
            node: &node,
        };
        loop {
            waiter.enqueue();
            if let Some(value) = condition() {
                waiter.served_before_parking();
                return Ok(value);
            }
            // Dequeued meanwhile: the wake's token may have gone into a sleep inside `condition`.
            if node.state() != QUEUED {
                continue;
            }
            if park(deadline_ns) == Unparked::TimedOut {
                return waiter.time_out(condition());
            }
            if let Some(value) = condition() {
                return Ok(value);
            }
        }
    }

    /// Wakes the thread that has waited longest. Says whether there was one.
    #[inline]
    pub fn wake_one(&self) -> bool {
        self.may_have_waiters() && self.wake_first()
    }

    #[inline(never)]
    fn wake_first(&self) -> bool {
        let sleeper = self.list.lock().pop(WOKEN_ONE, u64::MAX, &self.waiting);
        // Outside the lock: the woken thread may need it at once.
        sleeper.map(|sleeper| sleeper.unpark()).is_some()
    }

    /// Wakes every thread that waits now; returns how many.
    #[inline]
    pub fn wake_all(&self) -> usize {
        match self.may_have_waiters() {
            true => self.wake_present(),
            false => 0,
        }
    }

    #[inline(never)]
    fn wake_present(&self) -> usize {
        let limit = self.list.lock().next_ticket;
        let mut woken = 0;
        // One at a time, so that interrupts are never masked for long. Whoever comes back has a
        // later ticket, so this ends.
        loop {
            let sleeper = self.list.lock().pop(WOKEN_ALL, limit, &self.waiting);
            let Some(sleeper) = sleeper else { return woken };
            sleeper.unpark();
            woken += 1;
        }
    }

    /// How many threads wait: already history.
    pub fn len(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The waker's half of the handshake: everything it did before is visible to whoever
    /// enqueues after this has said no.
    #[inline]
    fn may_have_waiters(&self) -> bool {
        if mutate("waker_unfenced", true, false) {
            fence(Ordering::SeqCst);
        }
        self.waiting.load(Ordering::Relaxed) != 0
    }
}

impl Default for WaitQueue {
    fn default() -> Self {
        WaitQueue::new()
    }
}

// What `Waiter::state` says.
/// Not in the list, never was.
const NEW: u8 = 0;
/// In the list.
const QUEUED: u8 = 1;
/// Taken off by `wake_one`; if the wait goes on it returns to the front.
const WOKEN_ONE: u8 = 2;
/// Taken off by `wake_all`.
const WOKEN_ALL: u8 = 3;

/// A sleeping thread's node.
struct Waiter {
    /// QUEUED is set and left only under the queue's lock.
    state: AtomicU8,
    /// Protected by the queue's lock.
    links: UnsafeCell<Links>,
}

struct Links {
    next: *const Waiter,
    previous: *const Waiter,
    ticket: u64,
    sleeper: Option<Sleeper>,
}

impl Waiter {
    fn new() -> Self {
        let links = Links {
            next: ptr::null(),
            previous: ptr::null(),
            ticket: 0,
            sleeper: None,
        };
        Waiter {
            state: AtomicU8::new(NEW),
            links: UnsafeCell::new(links),
        }
    }

    fn state(&self) -> u8 {
        self.state.load(Ordering::Acquire)
    }
}

/// A node that cannot stay behind in the list, even if the condition panics.
struct Enqueued<'a> {
    queue: &'a WaitQueue,
    node: &'a Waiter,
}

impl Enqueued<'_> {
    /// Puts the node in the list unless it is there.
    fn enqueue(&self) {
        let state = self.node.state();
        if state != QUEUED {
            let sleeper = current();
            let mut list = self.queue.list.lock();
            list.insert(self.node, sleeper, state == WOKEN_ONE);
            self.queue.waiting.store(list.count, Ordering::Relaxed);
        }
        // The sleeper's half of the handshake: the look at the condition comes after the node is
        // in the list, for everyone.
        if mutate("sleeper_unfenced", true, false) {
            fence(Ordering::SeqCst);
        }
    }

    /// The look after queueing gave a value, which owes nothing to a wake. One that chose this
    /// waiter meanwhile is for what has come since, and so for another.
    fn served_before_parking(&self) {
        self.leave();
        if self.node.state() == WOKEN_ONE {
            self.queue.wake_one();
        }
    }

    /// The end of a wait whose deadline has passed, with what the condition said last.
    fn time_out<R>(self, last_word: Option<R>) -> Result<R, TimedOut> {
        if last_word.is_none() {
            self.leave();
            if self.node.state() == WOKEN_ONE && mutate("wake_kept", true, false) {
                self.queue.wake_one();
            }
        }
        last_word.ok_or(TimedOut)
    }

    fn leave(&self) {
        if self.node.state() == QUEUED {
            let mut list = self.queue.list.lock();
            // A waker may have been quicker.
            if self.node.state() == QUEUED {
                list.remove(self.node);
                self.node.state.store(NEW, Ordering::Relaxed);
                self.queue.waiting.store(list.count, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Enqueued<'_> {
    fn drop(&mut self) {
        self.leave();
        // Ours again, which models check.
        self.node.links.with_mut(|_| ());
    }
}

/// The list proper: doubly linked, oldest ticket first. The nodes belong to their sleepers, who
/// keep them in place and alive while they are in here.
struct List {
    head: *const Waiter,
    tail: *const Waiter,
    count: usize,
    next_ticket: u64,
}

// SAFETY: the pointers are followed under the queue's lock only; nodes hold nothing that is tied
// to a thread.
unsafe impl Send for List {}

impl List {
    const EMPTY: List = List {
        head: ptr::null(),
        tail: ptr::null(),
        count: 0,
        next_ticket: 0,
    };

    /// Adds a node at the end, or, if it was here before, at the front with its old ticket.
    fn insert(&mut self, node: &Waiter, sleeper: Sleeper, again: bool) {
        let at: *const Waiter = node;
        let (previous, next) = if again {
            (ptr::null(), self.head)
        } else {
            (self.tail, ptr::null())
        };
        node.links.with_mut(|links| {
            // SAFETY: the lock is held (`&mut self`) and the node is in no list.
            let links = unsafe { &mut *links };
            (links.previous, links.next, links.sleeper) = (previous, next, Some(sleeper));
            if !again {
                links.ticket = self.next_ticket;
                self.next_ticket += 1;
            }
        });
        self.relink(previous, next, at, at);
        self.count += 1;
        node.state.store(QUEUED, Ordering::Relaxed);
    }

    /// Takes the node out.
    fn remove(&mut self, node: &Waiter) -> Option<Sleeper> {
        let (previous, next, sleeper) = node.links.with_mut(|links| {
            // SAFETY: the lock is held and the node is in this list, hence alive.
            let links = unsafe { &mut *links };
            (links.previous, links.next, links.sleeper.take())
        });
        self.relink(previous, next, next, previous);
        self.count -= 1;
        sleeper
    }

    /// Makes `previous` point on to `after_previous` and `next` back to `before_next`; a null
    /// neighbour stands for the end of the list.
    fn relink(
        &mut self,
        previous: *const Waiter,
        next: *const Waiter,
        after_previous: *const Waiter,
        before_next: *const Waiter,
    ) {
        if previous.is_null() {
            self.head = after_previous;
        } else {
            // SAFETY: the lock is held; neighbours in the list are alive.
            unsafe {
                (*previous)
                    .links
                    .with_mut(|links| (*links).next = after_previous)
            };
        }
        if next.is_null() {
            self.tail = before_next;
        } else {
            // SAFETY: as above.
            unsafe {
                (*next)
                    .links
                    .with_mut(|links| (*links).previous = before_next)
            };
        }
    }

    /// Takes off the first node if its ticket is below `limit`, and lets its owner know.
    fn pop(&mut self, reason: u8, limit: u64, waiting: &AtomicUsize) -> Option<Sleeper> {
        // SAFETY: the lock is held; a node in the list is alive.
        let node = unsafe { self.head.as_ref()? };
        // SAFETY: as above.
        if node.links.with(|links| unsafe { (*links).ticket }) >= limit {
            return None;
        }
        let sleeper = self.remove(node);
        waiting.store(self.count, Ordering::Relaxed);
        let release = mutate("hand_back_relaxed", Ordering::Release, Ordering::Relaxed);
        // From here on the node may be gone.
        node.state.store(reason, release);
        sleeper
    }
}

#[cfg(all(test, not(loom)))]
#[path = "wait_queue_tests.rs"]
mod tests;
