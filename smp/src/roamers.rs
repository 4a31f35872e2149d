//! Which of the threads in a queue could run elsewhere, and where.
//!
//! Only for threads that are not on the shelf, where anybody may take them: they wait for their
//! CPU to hand them on. Those bound to this one CPU do not count.

use percpu::CpuSet;

use crate::body::Body;
use crate::ordered::body_of;
use crate::thread::Thread;

/// The most threads of a queue looked at to find one that roams: some 15 us if none is in the cache.
pub(crate) const MAX_LOOKS: usize = 256;

/// Whether a thread in one of the calling owner's queues waits here and could wait elsewhere.
pub(crate) fn roams(thread: &Thread) -> bool {
    body_of(thread, |body| body.roams)
}

pub(crate) struct Roamers {
    /// There is no other CPU.
    alone: bool,
    count: usize,
    /// At least where they may run; exact again when none is left.
    pub to: CpuSet,
}

impl Roamers {
    pub fn new(alone: bool) -> Self {
        Self {
            alone,
            count: 0,
            to: CpuSet::EMPTY,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// A thread is queued.
    #[inline]
    pub fn add(&mut self, thread: &Thread, body: &mut Body) {
        if thread.is_pinned() || self.alone {
            return;
        }
        body.roams = true;
        self.count += 1;
        self.extend(thread);
    }

    fn extend(&mut self, thread: &Thread) {
        self.to = self.to.union(&thread.affinity());
    }

    /// A thread is taken out.
    pub fn remove(&mut self, body: &mut Body) {
        if !core::mem::take(&mut body.roams) {
            return;
        }
        self.count -= 1;
        if self.count == 0 {
            self.to = CpuSet::EMPTY;
        }
    }
}
