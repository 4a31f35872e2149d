//! Waiting threads in the order of EEVDF: of the eligible, the earliest deadline first.
//!
//! Two trees. The clock never goes back, so a thread that has become eligible stays so while it
//! waits: each crosses once from `later`, ordered by start, to `eligible`, ordered by deadline,
//! when the clock moves. Everything is O(log n), the crossing included, spread over the threads
//! that cross; who is first is known.

use intrusive_collections::UnsafeRef;

use crate::ordered::{ByDeadline, ByStart, Ordered, body_of};
use crate::thread::Thread;

/// Owner only, as are the threads in it.
pub(crate) struct Line {
    eligible: Ordered<ByDeadline>,
    later: Ordered<ByStart>,
    len: usize,
    weight: u64,
}

impl Line {
    pub fn new() -> Self {
        Self {
            eligible: Ordered::new(),
            later: Ordered::new(),
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

    #[inline(always)]
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

    /// The clock has moved: lets those cross over that have become eligible.
    #[inline(always)]
    pub fn admit(&mut self, clock: u64) {
        while self.later.least() <= clock {
            self.admit_one();
        }
    }

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
        let first = first.or_else(|| self.later.take_first())?;
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
        let found = match body_of(thread, |body| body.share.eligible) {
            // SAFETY: in this line, says the caller, and in this tree of it, says its note.
            true => unsafe { self.eligible.unlink(thread) },
            // SAFETY: as above.
            false => unsafe { self.later.unlink(thread) },
        };
        self.taken(found.expect("it waits in this line"))
    }

    fn taken(&mut self, thread: UnsafeRef<Thread>) -> UnsafeRef<Thread> {
        self.len -= 1;
        self.weight -= body_of(&thread, |body| body.share.weight());
        thread
    }
}
