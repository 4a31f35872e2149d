//! A thread in somebody's hands: the READY token as a type.
//!
//! A READY thread is in exactly one place: an inbox, a queue, a slot, or the hands of the CPU
//! that moves it. `Held` is the last of these. It cannot be copied; it is made where a thread is
//! won (wake, drain, claim, dequeue) and used up where it is handed on (queue, slot, inbox, run).

use core::ops::Deref;

use crate::body::Body;
use crate::checks::ledger;
use crate::thread::Thread;

#[must_use = "a held thread that is dropped never runs again"]
pub(crate) struct Held(*const Thread);

impl Held {
    /// # Safety
    /// The caller has just won the thread and passes it on through the result only. The thread
    /// is alive: not DEAD, so that the registry keeps it.
    pub unsafe fn assume(thread: *const Thread) -> Self {
        // SAFETY: alive, says the caller.
        ledger::take(unsafe { &*thread });
        Self(thread)
    }

    /// The parts of the thread that belong to whoever holds it.
    pub fn body<R>(&self, access: impl FnOnce(&mut Body) -> R) -> R {
        // SAFETY: the holder is unique and the reference ends with the call; `access` cannot
        // reach the same `Held` again, as its argument is all of the thread it is given.
        self.body.with_mut(|body| access(unsafe { &mut *body }))
    }

    /// Gives the thread into a place that a later `assume` takes it from.
    pub fn into_raw(self) -> *const Thread {
        ledger::put(&self);
        self.0
    }
}

impl Deref for Held {
    type Target = Thread;

    fn deref(&self) -> &Thread {
        // SAFETY: alive while held.
        let thread = unsafe { &*self.0 };
        thread.magic.check();
        thread
    }
}
