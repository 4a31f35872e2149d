//! Where a CPU puts its records: a ring that can be exchanged for a longer one.
//!
//! Anybody offers a ring; its CPU takes it at its next record. So nobody writes to the former ring
//! any more, the numbers go on where it ends, and no record is lost. The offer and what the CPU
//! writes to are one word: a mark in the pointer says that the ring is new. To see that there is
//! none costs the CPU what it costs to see that it has a ring at all.

use alloc::boxed::Box;
use core::ptr;

use super::{Record, Ring};
use crate::sync::{AtomicPtr, Ordering, const_fn, mutate};

/// In a pointer to a ring: the CPU has not taken it yet. Alone: there is none.
const NEW: usize = 1;

/// A CPU's recorder. Its rings are never freed.
pub struct Recorder {
    /// The ring that the CPU writes to, or is to take first.
    writes: AtomicPtr<Ring>,
    /// The ring that readers look into: the last one taken, null before.
    shown: AtomicPtr<Ring>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    const_fn! {
        /// Without a ring: what is kept is lost.
        pub fn new() -> Self {
            Recorder {
                writes: AtomicPtr::new(ptr::without_provenance_mut(NEW)),
                shown: AtomicPtr::new(ptr::null_mut()),
            }
        }
    }

    /// Gives the CPU a ring to use from its next record on.
    pub fn offer(&self, ring: Box<Ring>) {
        let ring = Box::into_raw(ring).map_addr(|address| address | NEW);
        let order = mutate("offer_relaxed", Ordering::AcqRel, Ordering::Relaxed);
        let former = self.writes.swap(ring, order);
        if former.addr() & NEW != 0 && former.addr() != NEW {
            // SAFETY: an earlier offer that nobody has taken, or will: the exchange took it.
            drop(unsafe { Box::from_raw(former.map_addr(|address| address & !NEW)) });
        }
    }

    /// Adds a record. By the CPU only, one at a time (IRQs masked).
    #[inline]
    pub fn keep(&self, record: Record) {
        let mut ring = self.writes.load(Ordering::Relaxed);
        if ring.addr() & NEW != 0 {
            ring = self.renew();
        }
        // SAFETY: null or a ring that is never freed.
        if let Some(ring) = unsafe { ring.as_ref() } {
            ring.push(record);
        }
    }

    /// Goes on with the ring that was offered, if one was.
    #[cold]
    fn renew(&self) -> *mut Ring {
        // Until this CPU has shown the ring, another offer finds the mark alone, and leaves a new one.
        let none = ptr::without_provenance_mut(NEW);
        let offered = self.writes.swap(none, Ordering::AcqRel);
        let ring = offered.map_addr(|address| address & !NEW);
        // SAFETY: null or what `offer` made of a box, and the exchange took.
        let Some(fresh) = (unsafe { ring.as_mut() }) else {
            return ring;
        };
        if let Some(before) = self.ring()
            && mutate("ring_counts_anew", true, false)
        {
            fresh.go_on_after(before);
        }
        self.shown.store(ring, Ordering::Release);
        // Fails if there is another offer by now, which the next record finds.
        let _ = self
            .writes
            .compare_exchange(none, ring, Ordering::Relaxed, Ordering::Relaxed);
        ring
    }

    /// The CPU's records; `None` before the first one.
    pub fn ring(&self) -> Option<&'static Ring> {
        // SAFETY: null or a ring that is never freed.
        unsafe { self.shown.load(Ordering::Acquire).as_ref() }
    }
}
