//! Intrusive multi-producer stacks: how one CPU hands threads to another.
//!
//! A Treiber stack whose only consumer takes everything at once, so that there is no ABA: a node
//! is never compared against after it could have been pushed again. It never allocates and is
//! never full. A push (Release) pairs with the swap (Acquire) of the drain that takes it.
//!
//! A node is on at most one stack per link: the pusher must hold the thread (its READY token, or
//! for the control link the `control_posted` flag).

use core::ptr;

use crate::sync::{AtomicPtr, Ordering, mutate};
use crate::thread::Thread;

/// Which of a thread's links a stack threads through.
pub(crate) trait Link {
    fn of(thread: &Thread) -> &AtomicPtr<Thread>;
}

/// Threads made ready, and dead ones on their way to the reaper.
pub(crate) struct ReadyLink;

impl Link for ReadyLink {
    fn of(thread: &Thread) -> &AtomicPtr<Thread> {
        &thread.ready_link
    }
}

/// Threads whose parameters changed.
pub(crate) struct ControlLink;

impl Link for ControlLink {
    fn of(thread: &Thread) -> &AtomicPtr<Thread> {
        &thread.control_link
    }
}

pub(crate) struct Inbox<L> {
    head: AtomicPtr<Thread>,
    link: core::marker::PhantomData<fn(L)>,
}

impl<L: Link> Inbox<L> {
    pub fn new() -> Self {
        Self {
            head: AtomicPtr::new(ptr::null_mut()),
            link: core::marker::PhantomData,
        }
    }

    /// Pushes a thread the caller holds; says whether the stack was empty.
    ///
    /// # Safety
    /// The thread is on no stack of this link and stays alive until a drain has returned it.
    pub unsafe fn push(&self, thread: *const Thread) -> bool {
        let order = mutate("inbox_push_relaxed", Ordering::Release, Ordering::Relaxed);
        // SAFETY: alive, says the caller.
        let link = L::of(unsafe { &*thread });
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            link.store(head, Ordering::Relaxed);
            let swap =
                self.head
                    .compare_exchange_weak(head, thread.cast_mut(), order, Ordering::Relaxed);
            match swap {
                Ok(_) => return head.is_null(),
                Err(current) => head = current,
            }
        }
    }

    /// Takes everything, oldest first. Only the owner of the inbox may call it.
    pub fn drain(&self) -> Drain<L> {
        let order = mutate("inbox_drain_relaxed", Ordering::Acquire, Ordering::Relaxed);
        let mut newest = self.head.swap(ptr::null_mut(), order);
        let mut oldest = ptr::null_mut();
        while !newest.is_null() {
            // SAFETY: a pushed thread lives until its drain has returned it.
            let link = L::of(unsafe { &*newest });
            let older = link.load(Ordering::Relaxed);
            link.store(oldest, Ordering::Relaxed);
            oldest = newest;
            newest = older;
        }
        Drain {
            next: oldest,
            link: core::marker::PhantomData,
        }
    }
}

/// What a drain took; must be used up, or the threads are lost.
#[must_use = "drained threads are in the caller's hands"]
pub(crate) struct Drain<L> {
    next: *mut Thread,
    link: core::marker::PhantomData<fn(L)>,
}

impl<L: Link> Iterator for Drain<L> {
    type Item = *const Thread;

    fn next(&mut self) -> Option<*const Thread> {
        if self.next.is_null() {
            return None;
        }
        let thread = self.next;
        // SAFETY: taken from the stack and not yet returned, so still alive. The link is read
        // before the thread is handed on, which may push it elsewhere.
        self.next = L::of(unsafe { &*thread }).load(Ordering::Relaxed);
        Some(thread)
    }
}
