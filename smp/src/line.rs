//! Waiting threads in the order of EEVDF: of the eligible, the earliest deadline first.
//!
//! Two queues. The clock never goes back, so a thread that has become eligible stays so while it
//! waits: each crosses once from `later`, ordered by start, to `eligible`, ordered by deadline,
//! when the clock moves. Everything is O(log n), the crossing included, spread over the threads
//! that cross; who is first is known.

use intrusive_collections::UnsafeRef;

use crate::ascending::Ascending;
use crate::ordered::{ByStart, NOBODY, Ordered, body_of};
use crate::thread::Thread;

/// Owner only, as are the threads in it.
pub(crate) struct Line {
    eligible: Ascending,
    later: Ordered<ByStart>,
}

impl Line {
    pub fn new() -> Self {
        Self {
            eligible: Ascending::new(),
            later: Ordered::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.first() == NOBODY && self.least_later() == NOBODY
    }

    /// Threads whose start is not past `horizon` are eligible.
    #[inline(always)]
    pub fn insert(&mut self, thread: UnsafeRef<Thread>, horizon: u64) {
        let eligible = body_of(&thread, |body| {
            body.share.eligible = body.share.start <= horizon;
            body.share.eligible
        });
        if eligible {
            self.eligible.insert(thread);
        } else {
            self.later.insert(thread);
        }
    }

    /// The horizon has moved: lets those cross over that have become eligible.
    #[inline(always)]
    pub fn admit(&mut self, horizon: u64) {
        while self.later.least() <= horizon {
            self.admit_one();
        }
    }

    #[cold]
    fn admit_one(&mut self) {
        if let Some(thread) = self.later.take_first() {
            body_of(&thread, |body| body.share.eligible = true);
            self.eligible.insert(thread);
        }
    }

    /// The earliest deadline among the eligible; `NOBODY` when there is none.
    #[inline(always)]
    pub fn first(&self) -> u64 {
        self.eligible.least()
    }

    /// The least start among those that are not eligible; `NOBODY` when there is none.
    #[inline(always)]
    pub fn least_later(&self) -> u64 {
        self.later.least()
    }

    /// The first of the eligible; if nobody is, the one that will be next.
    #[inline(always)]
    pub fn take_first(&mut self) -> Option<UnsafeRef<Thread>> {
        let first = self.eligible.take_first();
        first.or_else(|| self.later.take_first())
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
        let found = match body_of(thread, |body| body.share.eligible) {
            // SAFETY: in this line, says the caller, and in this tree of it, says its note.
            true => unsafe { self.eligible.unlink(thread) },
            // SAFETY: as above.
            false => unsafe { self.later.unlink(thread) },
        };
        found.expect("it waits in this line")
    }
}
