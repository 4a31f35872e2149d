//! The sleeping mutex: may be held across anything, a page fault in a user copy included.
//!
//! One word decides: FREE, HELD, or CONTENDED (held, and somebody may be asleep). Every change is
//! a read-modify-write on it, so the unlocker always learns about the sleeper. A lock that is
//! released while others wait is free for all; a thread that was woken and beaten to it goes back
//! to the front of the queue.

use crate::sync::{AtomicU8, Ordering, UnsafeCell, mutate};
use crate::wait_queue::WaitQueue;
use core::ops::{Deref, DerefMut};

const FREE: u8 = 0;
const HELD: u8 = 1;
const CONTENDED: u8 = 2;

/// A value behind a sleeping lock. Not for interrupt handlers, nor under a spin lock.
pub struct Mutex<T> {
    state: AtomicU8,
    queue: WaitQueue,
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
    #[cfg(not(loom))]
    pub const fn new(value: T) -> Self {
        Mutex {
            state: AtomicU8::new(FREE),
            queue: WaitQueue::new(),
            value: UnsafeCell::new(value),
        }
    }

    #[cfg(loom)]
    pub fn new(value: T) -> Self {
        Mutex {
            state: AtomicU8::new(FREE),
            queue: WaitQueue::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// Sleeps until the mutex is this thread's.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        #[cfg(not(loom))]
        debug_assert!(
            percpu::preempt::is_enabled(),
            "sleeping lock in atomic context"
        );
        match self.try_lock() {
            Some(guard) => guard,
            None => self.lock_slow(),
        }
    }

    #[cold]
    fn lock_slow(&self) -> MutexGuard<'_, T> {
        self.queue.wait(|| {
            let mark = mutate("mutex_unmarked", CONTENDED, HELD);
            // CONTENDED although this thread may turn out to be the last: one needless wake.
            (self.state.swap(mark, Ordering::Acquire) == FREE).then(|| self.guard())
        })
    }

    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let taken = self
            .state
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed);
        taken.ok().map(|_| self.guard())
    }

    /// Whether somebody holds it now: for assertions.
    pub fn is_locked(&self) -> bool {
        self.state.load(Ordering::Relaxed) != FREE
    }

    fn guard(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            mutex: self,
            _not_send: core::marker::PhantomData,
        }
    }
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
        if self.mutex.state.swap(FREE, release) == CONTENDED {
            self.mutex.queue.wake_one();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    #[test]
    fn excludes_and_sleeps() {
        let rounds = if cfg!(miri) { 20 } else { 2_000 };
        let mutex = Arc::new(Mutex::new((0, false)));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let mutex = mutex.clone();
                std::thread::spawn(move || {
                    for _ in 0..rounds {
                        let mut value = mutex.lock();
                        assert!(!core::mem::replace(&mut value.1, true));
                        std::thread::yield_now();
                        value.0 += 1;
                        value.1 = false;
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(*mutex.lock(), (4 * rounds, false));
        assert!(mutex.queue.is_empty());
    }

    #[test]
    fn try_lock_says_no() {
        let mutex = Mutex::new(());
        let held = mutex.try_lock();
        assert!(held.is_some() && mutex.try_lock().is_none());
        drop(held);
        assert!(mutex.try_lock().is_some());
    }
}
