//! The sleeping mutex: may be held across anything, a page fault in a user copy included. Its
//! holder inherits the urgency of whoever waits for it (`pi/`).
//!
//! One word decides: 0 when free, else the holder's name ([`identity`](crate::identity)), plus
//! WAITED_FOR when somebody may be asleep. Taking a free mutex and letting go of one that nobody
//! waits for is one compare-exchange each; WAITED_FOR changes only under the queue's lock, and
//! while it is set the holder cannot let go without that lock, so it stays alive and known.
//!
//! A mutex whose most urgent waiter is a real-time thread is handed to it. Any other is left free
//! for all, and the first waiter woken: a hand-over would force a switch for each critical
//! section. A thread that was woken and finds itself beaten to it sets WAITED_FOR again.

use crate::identity;
use crate::parker::{Sleeper, Unparked, current, park};
use crate::pi::{Changed, OwnedQueue, QueueGuard, Waiter};
use crate::sync::{AtomicUsize, Ordering, UnsafeCell, const_fn, mutate, preempt_off};
use crate::timeout::Timeout;
use crate::wait_queue::TimedOut;
use core::ops::{Deref, DerefMut};

const FREE: usize = 0;
/// Beside the holder's name, whose low bits are 0.
const WAITED_FOR: usize = 1;

/// A value behind a sleeping lock. Not for interrupt handlers, nor under a spin lock.
pub struct Mutex<T> {
    word: AtomicUsize,
    queue: OwnedQueue,
    /// Only the holder touches it.
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives one thread at a time the only reference to the value.
unsafe impl<T: Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Mutex<T> {}

/// The mutex is held while this lives.
#[must_use = "the mutex is released when the guard is dropped"]
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    _not_send: core::marker::PhantomData<*const ()>,
}

// SAFETY: a shared guard only hands out `&T`.
unsafe impl<T: Sync> Sync for MutexGuard<'_, T> {}

impl<T> Mutex<T> {
    const_fn! {
        pub fn new(value: T) -> Self {
            Mutex {
                word: AtomicUsize::new(FREE),
                queue: OwnedQueue::new(),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// Sleeps until the mutex is this thread's.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        match self.lock_for(Timeout::Never) {
            Ok(guard) => guard,
            Err(TimedOut) => unreachable!("a wait without a limit timed out"),
        }
    }

    /// The same for a limited time.
    #[inline]
    pub fn lock_for(&self, timeout: Timeout) -> Result<MutexGuard<'_, T>, TimedOut> {
        #[cfg(not(loom))]
        debug_assert!(
            percpu::preempt::is_enabled(),
            "sleeping lock in atomic context"
        );
        match self.try_lock() {
            Some(guard) => Ok(guard),
            None if timeout == Timeout::Now => Err(TimedOut),
            None => self.lock_slow(timeout).map(|()| self.guard()),
        }
    }

    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let taken = self.word.compare_exchange(
            FREE,
            identity::token(),
            // Release too: whoever finds the name finds the thread.
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        taken.ok().map(|_| self.guard())
    }

    /// Whether somebody holds it now: for assertions.
    pub fn is_locked(&self) -> bool {
        self.word.load(Ordering::Relaxed) != FREE
    }

    fn guard(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            mutex: self,
            _not_send: core::marker::PhantomData,
        }
    }

    #[cold]
    fn lock_slow(&self, timeout: Timeout) -> Result<(), TimedOut> {
        let deadline_ns = timeout.deadline_ns();
        let waiter = Waiter::new(current());
        let mut look = self.first_look(&waiter);
        while look == Look::Wait {
            let late = park(deadline_ns) == Unparked::TimedOut;
            look = self.look_again(&waiter, late);
        }
        match look {
            Look::GaveUp => Err(TimedOut),
            _ => Ok(()),
        }
    }

    /// Takes the mutex, or queues for it.
    fn first_look(&self, waiter: &Waiter) -> Look {
        let mut queue = self.queue.lock();
        let others_wait = !queue.is_empty();
        let Some(holder) = self.take_or_mark(others_wait) else {
            let changed = match others_wait {
                true => queue.set_owner(Some(waiter.thread().clone())),
                false => Changed::NOBODIES,
            };
            return settle(queue, changed, Look::Mine);
        };
        let first = self.note_holder(&mut queue, holder);
        // SAFETY: the waiter leaves the queue before `lock_slow` returns.
        let second = unsafe { queue.insert(waiter) };
        settle(queue, [first, second], Look::Wait)
    }

    /// After a wake, for whatever reason, or when it is `late`.
    fn look_again(&self, waiter: &Waiter, late: bool) -> Look {
        if waiter.is_granted() {
            return Look::Mine;
        }
        let mut queue = self.queue.lock();
        if waiter.is_granted() {
            return Look::Mine;
        }
        let others_wait = !queue.holds_only(waiter);
        let Some(holder) = self.take_or_mark(others_wait) else {
            let left = queue.remove(waiter);
            let owner = others_wait.then(|| waiter.thread().clone());
            let [_, lent] = queue.set_owner(owner);
            return settle(queue, [left, lent], Look::Mine);
        };
        let mut changed = [self.note_holder(&mut queue, holder), Changed::NOBODY];
        if late {
            changed[1] = queue.remove(waiter);
        }
        let look = if late { Look::GaveUp } else { Look::Wait };
        settle(queue, changed, look)
    }

    /// Takes the mutex if it is free: `None`. Else marks it as waited for, and gives the holder's
    /// name. Under the queue's lock.
    fn take_or_mark(&self, others_wait: bool) -> Option<usize> {
        let mark = mutate("mutex_unmarked", WAITED_FOR, 0);
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let next = match word {
                FREE if others_wait => identity::token() | WAITED_FOR,
                FREE => identity::token(),
                held => held | mark,
            };
            let (ok, ko) = (Ordering::AcqRel, Ordering::Relaxed);
            match self.word.compare_exchange_weak(word, next, ok, ko) {
                Ok(FREE) => return None,
                Ok(held) => return Some(held & !WAITED_FOR),
                Err(seen) => word = seen,
            }
        }
    }

    /// Makes the holder the queue's owner, if it is not: what waits there is lent to it.
    fn note_holder(&self, queue: &mut QueueGuard<'_>, holder: usize) -> Changed {
        if queue.owner().is_some() {
            return Changed::NOBODY;
        }
        // SAFETY: WAITED_FOR is set and the queue locked, so the holder cannot let go, nor end.
        let holder = unsafe { identity::owner_of(holder) };
        debug_assert!(holder != Some(current()), "a mutex taken twice");
        let [_, lent] = queue.set_owner(holder);
        lent
    }

    /// Lets go of a mutex that others wait for.
    #[cold]
    fn unlock_slow(&self) {
        let mut queue = self.queue.lock();
        // Until all is said: a thread that is lowered, or wakes its better, would lose the CPU.
        let _stays = preempt_off();
        let (woken, changed) = match queue.first() {
            Some(first) if first.urgency().is_realtime() => self.hand_over(&mut queue),
            first => {
                let woken = first.map(|first| first.thread().clone());
                let changed = queue.set_owner(None);
                self.word.store(FREE, Ordering::Release);
                (woken, changed)
            }
        };
        drop(queue);
        if let Some(thread) = woken {
            thread.unpark();
        }
        changed.into_iter().for_each(Changed::propagate);
    }

    fn hand_over(&self, queue: &mut QueueGuard<'_>) -> (Option<Sleeper>, [Changed; 2]) {
        let Some(first) = queue.first() else {
            return (None, Changed::NOBODIES);
        };
        let others_wait = !queue.holds_only(first);
        let word = first.name() | if others_wait { WAITED_FOR } else { 0 };
        // Before it is told: it may let go of the mutex at once.
        self.word.store(word, Ordering::Release);
        match queue.hand_over(others_wait) {
            Some((thread, changed)) => (Some(thread), changed),
            None => (None, Changed::NOBODIES),
        }
    }
}

/// How a look at the mutex ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Mine,
    Wait,
    GaveUp,
}

/// Unlocks the queue and lets the changes take effect.
fn settle(queue: QueueGuard<'_>, changed: [Changed; 2], look: Look) -> Look {
    drop(queue);
    changed.into_iter().for_each(Changed::propagate);
    look
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

impl<'a, T> MutexGuard<'a, T> {
    /// The mutex it holds.
    pub fn mutex(&self) -> &'a Mutex<T> {
        self.mutex
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard is the only way to the value, and it is borrowed.
        self.mutex.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard is the only way to the value, and it is borrowed mutably.
        self.mutex.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let release = mutate("mutex_unlock_relaxed", Ordering::Release, Ordering::Relaxed);
        let (own, word) = (identity::token(), &self.mutex.word);
        if word
            .compare_exchange(own, FREE, release, Ordering::Relaxed)
            .is_err()
        {
            self.mutex.unlock_slow();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
