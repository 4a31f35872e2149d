//! Priority inheritance: who holds up somebody more urgent runs as urgently until it lets go.
//!
//! Three structures and one rule. An [`OwnedQueue`] is what a lock's waiters stand in, the most
//! urgent first, and knows the lock's owner. A thread's [`Inheritance`] knows the one queue it
//! waits in and the queues of the locks it owns; the most urgent waiter of all of these is what
//! is *lent* to it, kept beside its own parameters, which stay as they are ([`Params`]). When
//! what is lent to a thread changes and the thread itself waits, its place there changes too,
//! perhaps what it lends in turn, and so on along the chain ([`propagate`]).
//!
//! Locks: a queue's, then the inheritance of its owner or of one of its waiters. A step along the
//! chain goes the other way, from a thread to the queue it waits in, and therefore only tries.
//! One step holds two locks; no lock is held from one step to the next, so a step finds things as
//! they are then, which is right: each change is propagated by whoever made it.
//!
//! [`Params`]: crate::Params

mod inheritance;
mod queue;
mod urgency;

use crate::parker::{self, Sleeper};
use crate::sync::{irqs_off, mutate, spin_hint};

pub(crate) use inheritance::Inheritance;
pub use queue::{OwnedQueue, QueueGuard, Waiter};
pub use urgency::Urgency;

/// Longer chains are not followed: locks are not nested so deep, but a circle has no end.
const LONGEST_CHAIN: usize = 1024;

/// A thread to which something else is lent now: it must be told to the scheduler and along the
/// chain, once no lock is held.
#[must_use = "propagate it, or the loan has no effect"]
pub struct Changed(pub(crate) Option<Sleeper>);

impl Changed {
    pub const NOBODY: Self = Changed(None);
    pub const NOBODIES: [Self; 2] = [Self::NOBODY, Self::NOBODY];

    /// See [`propagate`].
    pub fn propagate(self) {
        if let Some(thread) = self.0 {
            propagate(thread);
        }
    }
}

/// Makes a thread's changed urgency felt: by the scheduler, and by who owns what it waits for.
/// No lock may be held. Any context.
pub fn propagate(thread: Sleeper) {
    parker::announce(&thread);
    pass_on(thread);
}

/// The second half of [`propagate`], for a thread whose change the scheduler knows already.
pub(crate) fn pass_on(mut thread: Sleeper) {
    for _ in 0..LONGEST_CHAIN {
        if mutate("pi_chain_stops", false, true) {
            return;
        }
        match reposition(&thread) {
            Changed(Some(owner)) => thread = owner,
            Changed(None) => return,
        }
        parker::announce(&thread);
    }
}

/// Gives a waiting thread the place its urgency asks for now.
fn reposition(thread: &Sleeper) -> Changed {
    loop {
        // For both locks, which are not let go of in the order they were taken.
        let masked = irqs_off();
        let state = thread.inheritance.lock();
        let Some(place) = state.waits_in else {
            return Changed::NOBODY;
        };
        // SAFETY: to leave the queue, the thread needs the lock held here, so the queue is alive.
        let queue = unsafe { &*place.queue };
        if let Some(mut waiters) = queue.try_lock() {
            // From here on the queue's own lock keeps the thread in it.
            drop(state);
            // SAFETY: `place` is where it waits, so its node is in this queue.
            return waiters.reposition(unsafe { &*place.waiter });
        }
        drop(state);
        drop(masked);
        spin_hint();
    }
}

/// Whether waiting for `owner`, along locks of user programs, would be waiting for `thread` itself.
/// Who waits for a lock of the kernel's does not wait for long: that `thread` may hold one now,
/// while it asks, is no circle.
pub fn leads_back(owner: &Sleeper, thread: &Sleeper) -> bool {
    let mut next = Some(owner.clone());
    for _ in 0..LONGEST_CHAIN {
        match next {
            None => return false,
            Some(seen) if seen == *thread => return true,
            Some(seen) => next = who_holds_up(&seen),
        }
    }
    true
}

/// The owner of the user programs' lock that `thread` waits for.
fn who_holds_up(thread: &Sleeper) -> Option<Sleeper> {
    loop {
        let masked = irqs_off();
        let state = thread.inheritance.lock();
        let place = state.waits_in?;
        // SAFETY: as in `reposition`.
        let queue = unsafe { &*place.queue };
        if !queue.is_of_users() {
            return None;
        }
        if let Some(waiters) = queue.try_lock() {
            return waiters.owner().cloned();
        }
        drop(state);
        drop(masked);
        spin_hint();
    }
}
