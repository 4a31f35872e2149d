//! The list of a wait queue, in nodes that belong to the sleepers.

use crate::parker::Sleeper;
use crate::sync::{AtomicU8, AtomicUsize, Ordering, UnsafeCell, mutate};
use core::ptr;

// What `Waiter::state` says.
/// Not in the list, never was.
pub(super) const NEW: u8 = 0;
/// In the list.
pub(super) const QUEUED: u8 = 1;
/// Taken off by `wake_one`; if the wait goes on it returns to the front.
pub(super) const WOKEN_ONE: u8 = 2;
/// Taken off by `wake_all`.
pub(super) const WOKEN_ALL: u8 = 3;

/// A sleeping thread's node.
pub(super) struct Waiter {
    /// QUEUED is set and left only under the queue's lock.
    pub state: AtomicU8,
    /// Protected by the queue's lock.
    pub links: UnsafeCell<Links>,
}

pub(super) struct Links {
    next: *const Waiter,
    previous: *const Waiter,
    ticket: u64,
    sleeper: Option<Sleeper>,
}

impl Waiter {
    pub fn new() -> Self {
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

    pub fn state(&self) -> u8 {
        self.state.load(Ordering::Acquire)
    }
}

/// Doubly linked, oldest ticket first. The nodes belong to their sleepers, who
/// keep them in place and alive while they are in here.
pub(super) struct List {
    head: *const Waiter,
    tail: *const Waiter,
    pub count: usize,
    pub next_ticket: u64,
}

// SAFETY: the pointers are followed under the queue's lock only; nodes hold nothing that is tied
// to a thread.
unsafe impl Send for List {}

impl List {
    pub const EMPTY: List = List {
        head: ptr::null(),
        tail: ptr::null(),
        count: 0,
        next_ticket: 0,
    };

    /// Adds a node at the end, or, if it was here before, at the front with its old ticket.
    pub fn insert(&mut self, node: &Waiter, sleeper: Sleeper, again: bool) {
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
    pub fn remove(&mut self, node: &Waiter) -> Option<Sleeper> {
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
    pub fn pop(&mut self, reason: u8, limit: u64, waiting: &AtomicUsize) -> Option<Sleeper> {
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
