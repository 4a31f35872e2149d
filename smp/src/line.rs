//! Waiting threads in the order of EEVDF: of the eligible, the earliest deadline first.
//!
//! Two trees. The clock never goes back, so a thread that has become eligible stays so while it
//! waits: each crosses once from `later`, ordered by start, to `eligible`, ordered by deadline.
//! Everything is O(log n), the crossing included, spread over the threads that cross.

use intrusive_collections::{KeyAdapter, RBTree, RBTreeLink, UnsafeRef, intrusive_adapter};

use crate::body::Body;
use crate::thread::Thread;

intrusive_adapter!(ByDeadline = UnsafeRef<Thread>: Thread { fair_link => RBTreeLink });
intrusive_adapter!(ByStart = UnsafeRef<Thread>: Thread { fair_link => RBTreeLink });

impl<'a> KeyAdapter<'a> for ByDeadline {
    type Key = u64;

    fn get_key(&self, thread: &'a Thread) -> u64 {
        body_of(thread, |body| body.share.deadline)
    }
}

impl<'a> KeyAdapter<'a> for ByStart {
    type Key = u64;

    fn get_key(&self, thread: &'a Thread) -> u64 {
        body_of(thread, |body| body.share.start)
    }
}

/// Of a thread in one of the trees of the calling owner.
pub(crate) fn body_of<R>(thread: &Thread, access: impl FnOnce(&mut Body) -> R) -> R {
    // SAFETY: the owner holds the threads in its trees; nobody else touches their bodies.
    thread.body.with_mut(|body| access(unsafe { &mut *body }))
}

/// Owner only, as are the threads in it.
pub(crate) struct Line {
    eligible: RBTree<ByDeadline>,
    later: RBTree<ByStart>,
    len: usize,
    weight: u64,
}

impl Line {
    pub fn new() -> Self {
        Self {
            eligible: RBTree::new(ByDeadline::new()),
            later: RBTree::new(ByStart::new()),
            len: 0,
            weight: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The sum of the weights.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    pub fn insert(&mut self, thread: UnsafeRef<Thread>, clock: u64) {
        let (eligible, weight) = body_of(&thread, |body| {
            body.share.eligible = body.share.start <= clock;
            (body.share.eligible, body.share.weight())
        });
        self.len += 1;
        self.weight += weight;
        if eligible {
            self.eligible.insert(thread);
        } else {
            self.later.insert(thread);
        }
    }

    /// Lets those cross over that have become eligible.
    #[inline]
    pub fn admit(&mut self, clock: u64) {
        while self.least_later().is_some_and(|start| start <= clock) {
            if let Some(thread) = self.later.front_mut().remove() {
                body_of(&thread, |body| body.share.eligible = true);
                self.eligible.insert(thread);
            }
        }
    }

    #[inline]
    pub fn anybody_eligible(&self, clock: u64) -> bool {
        !self.eligible.is_empty() || self.least_later().is_some_and(|start| start <= clock)
    }

    /// The earliest deadline among the eligible.
    pub fn first(&self) -> Option<u64> {
        let first = self.eligible.front().get();
        first.map(|thread| body_of(thread, |body| body.share.deadline))
    }

    /// The least start among those that are not eligible.
    pub fn least_later(&self) -> Option<u64> {
        let least = self.later.front().get();
        least.map(|thread| body_of(thread, |body| body.share.start))
    }

    /// The first of the eligible; if nobody is, the one that will be next.
    pub fn take_first(&mut self) -> Option<UnsafeRef<Thread>> {
        let first = self.eligible.front_mut().remove();
        let first = first.or_else(|| self.later.front_mut().remove())?;
        Some(self.taken(first))
    }

    /// One that fits, of the `count` that would have to wait longest here.
    pub fn find_last(&self, count: usize, fits: impl Fn(&Thread) -> bool) -> Option<&Thread> {
        let backwards = self.later.iter().rev().chain(self.eligible.iter().rev());
        backwards.take(count).find(|thread| fits(thread))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Thread> {
        self.later.iter().chain(self.eligible.iter())
    }

    /// Takes a particular thread out.
    ///
    /// # Safety
    /// The thread waits in this very line.
    pub unsafe fn unlink(&mut self, thread: &Thread) -> UnsafeRef<Thread> {
        let eligible = body_of(thread, |body| body.share.eligible);
        let found = if eligible {
            // SAFETY: in this line, says the caller, and in this tree of it, says its note.
            unsafe { self.eligible.cursor_mut_from_ptr(thread) }.remove()
        } else {
            // SAFETY: as above.
            unsafe { self.later.cursor_mut_from_ptr(thread) }.remove()
        };
        self.taken(found.expect("it waits in this line"))
    }

    fn taken(&mut self, thread: UnsafeRef<Thread>) -> UnsafeRef<Thread> {
        self.len -= 1;
        self.weight -= body_of(&thread, |body| body.share.weight());
        thread
    }
}
