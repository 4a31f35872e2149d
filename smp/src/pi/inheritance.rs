//! A thread's side of inheritance: where it waits, and what the waiters behind it lend it.

use core::ptr;

use intrusive_collections::{KeyAdapter, RBTree, UnsafeRef, intrusive_adapter};

use super::queue::{Loan, OwnedQueue, Waiter};
use super::urgency::Urgency;
use crate::sync::{Lock, LockGuard, irqs_off, mutate};
use crate::thread::Thread;

intrusive_adapter!(ByUrgency = UnsafeRef<Loan>: Loan { link => intrusive_collections::RBTreeLink });

impl<'a> KeyAdapter<'a> for ByUrgency {
    type Key = Urgency;

    fn get_key(&self, loan: &'a Loan) -> Urgency {
        loan.urgency.get()
    }
}

/// The queue a thread waits in, and its node there.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub queue: *const OwnedQueue,
    pub waiter: *const Waiter,
}

/// See the module above.
pub(crate) struct Inheritance(Lock<State>);

pub(super) struct State {
    /// Changed under the lock of that queue too.
    pub waits_in: Option<Place>,
    /// One for each lock of this thread's that has waiters, by the most urgent of them.
    loans: RBTree<ByUrgency>,
}

// SAFETY: the pointers are followed under the lock this lies behind; what they point to takes
// itself out before it goes.
unsafe impl Send for State {}

impl Inheritance {
    pub fn new() -> Self {
        Self(Lock::new(State {
            waits_in: None,
            loans: RBTree::new(ByUrgency::new()),
        }))
    }

    /// IRQs masked.
    pub(super) fn lock(&self) -> LockGuard<'_, State> {
        self.0.lock()
    }

    /// Whether the thread owns a lock that others wait for.
    pub fn holds_others_up(&self) -> bool {
        let _irqs = irqs_off();
        !self.0.lock().loans.is_empty()
    }
}

impl State {
    /// Adds the loan of a queue whose owner this thread has become, or changes what it is worth;
    /// `NONE` takes it back. Says whether the thread's urgency changed. `thread` is the owner.
    ///
    /// # Safety
    /// The loan is in no other thread's tree, and stays in place until it is taken back.
    pub unsafe fn set_loan(&mut self, thread: &Thread, loan: &Loan, urgency: Urgency) -> bool {
        if loan.link.is_linked() {
            // SAFETY: linked, hence in this tree, says the caller.
            unsafe { self.loans.cursor_mut_from_ptr(ptr::from_ref(loan)) }.remove();
        }
        loan.urgency.set(urgency);
        if urgency != Urgency::NONE {
            // SAFETY: not linked any more, and it stays in place until taken back.
            self.loans.insert(unsafe { UnsafeRef::from_raw(loan) });
        }
        if mutate("pi_never_returned", false, urgency == Urgency::NONE) {
            return false;
        }
        let best = self.loans.back().get();
        let lent = best.map_or(Urgency::NONE, |loan| loan.urgency.get());
        thread.params.lend(lent)
    }
}
