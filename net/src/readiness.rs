//! Readiness of a socket: what poll(2) sees, and whom to tell when it changes.
//!
//! The owner of the socket's state computes it under that state's lock and publishes it here, so
//! that looking (and waiting) needs no lock.

use bitflags::bitflags;
use core::sync::atomic::{AtomicU32, Ordering};
use smp::{Observers, WaitQueue};

bitflags! {
    /// What a socket is ready for; the values are poll(2)'s.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Ready: u32 {
        /// Data, a connection or the end of the stream can be taken.
        const READ = 0x001;
        /// Something can be sent.
        const WRITE = 0x004;
        const ERROR = 0x008;
        /// Both directions are closed.
        const HANG_UP = 0x010;
        /// The peer closed its sending half.
        const READ_HANG_UP = 0x2000;
    }
}

/// The published readiness, those who wait for it and those who observe it.
pub struct Readiness {
    ready: AtomicU32,
    pub waiters: WaitQueue,
    pub observers: Observers,
}

impl Readiness {
    pub const fn new(initial: Ready) -> Self {
        Self {
            ready: AtomicU32::new(initial.bits()),
            waiters: WaitQueue::new(),
            observers: Observers::new(),
        }
    }

    pub fn ready(&self) -> Ready {
        Ready::from_bits_truncate(self.ready.load(Ordering::Acquire))
    }

    /// Publishes the readiness; tells about everything that is newly ready.
    pub fn publish(&self, ready: Ready) {
        let before = Ready::from_bits_truncate(self.ready.swap(ready.bits(), Ordering::AcqRel));
        self.tell(ready.difference(before));
    }

    /// Publishes the readiness and tells about `events` even where they were ready before: more
    /// data is an event of its own to edge-triggered observers.
    pub fn publish_event(&self, ready: Ready, events: Ready) {
        self.tell(self.note(ready, events));
    }

    /// The same, but leaves the telling to the caller: returns what is to be told.
    #[must_use = "whoever waits for it sleeps until told"]
    pub(crate) fn note(&self, ready: Ready, events: Ready) -> Ready {
        let before = Ready::from_bits_truncate(self.ready.swap(ready.bits(), Ordering::AcqRel));
        ready.difference(before) | (ready & events)
    }

    /// Adds `events`, which the caller is to tell about.
    pub(crate) fn add(&self, events: Ready) {
        self.ready.fetch_or(events.bits(), Ordering::AcqRel);
    }

    /// Sets or clears `events` alone; tells about those that are new.
    pub fn set(&self, events: Ready, on: bool) {
        let before = match on {
            true => self.ready.fetch_or(events.bits(), Ordering::AcqRel),
            false => self.ready.fetch_and(!events.bits(), Ordering::AcqRel),
        };
        if on {
            self.tell(events.difference(Ready::from_bits_truncate(before)));
        }
    }

    pub(crate) fn tell(&self, events: Ready) {
        if !events.is_empty() {
            self.waiters.wake_all();
            self.observers.notify(events.bits());
        }
    }
}
