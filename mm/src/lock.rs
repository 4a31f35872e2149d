//! The locks of this crate: the spin lock of `smp`, and a sleeping reader-writer lock for address
//! spaces, where page faults are readers and everything that changes the map is a writer.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use smp::wait_queue::WaitQueue;

pub(crate) use smp::spinlock::SpinLock;

/// A writer holds the lock.
const WRITER: u32 = 1 << 31;
/// A writer waits: readers that come now wait too, so that writers do not starve.
const WANTED: u32 = 1 << 30;
/// Somebody waits. Like `WANTED` set only while the lock is held, so the holder sees it.
const SLEEPERS: u32 = 1 << 29;
/// The number of readers.
const READERS: u32 = SLEEPERS - 1;

/// Many readers or one writer; waiting sleeps. Not for interrupt handlers. A reader must not take
/// it again: a writer in between would wait for the first, and the second for the writer.
pub(crate) struct RwLock<T> {
    state: AtomicU32,
    queue: WaitQueue,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands out shared references to readers and one exclusive one to a writer.
unsafe impl<T: Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    pub const fn new(value: T) -> Self {
        Self {
            state: AtomicU32::new(0),
            queue: WaitQueue::new(),
            value: UnsafeCell::new(value),
        }
    }

    #[inline]
    pub fn read(&self) -> ReadGuard<'_, T> {
        debug_assert!(
            percpu::preempt::is_enabled(),
            "sleeping lock in atomic context"
        );
        let state = self.state.load(Relaxed);
        let free = state & (WRITER | WANTED) == 0;
        if !free
            || self
                .state
                .compare_exchange_weak(state, state + 1, Acquire, Relaxed)
                .is_err()
        {
            self.queue.wait(|| self.try_read());
        }
        ReadGuard { lock: self }
    }

    #[inline]
    pub fn write(&self) -> WriteGuard<'_, T> {
        debug_assert!(
            percpu::preempt::is_enabled(),
            "sleeping lock in atomic context"
        );
        if self
            .state
            .compare_exchange(0, WRITER, Acquire, Relaxed)
            .is_err()
        {
            self.queue.wait(|| self.try_write());
        }
        WriteGuard { lock: self }
    }

    /// Enters, or leaves word that somebody waits.
    fn try_read(&self) -> Option<()> {
        self.update(|state| match state & (WRITER | WANTED) {
            0 => (state + 1, Some(())),
            _ => (state | SLEEPERS, None),
        })
    }

    fn try_write(&self) -> Option<()> {
        self.update(|state| match state & (WRITER | READERS) {
            0 => (state | WRITER, Some(())),
            _ => (state | WANTED | SLEEPERS, None),
        })
    }

    fn update(&self, step: impl Fn(u32) -> (u32, Option<()>)) -> Option<()> {
        let mut state = self.state.load(Relaxed);
        loop {
            let (next, outcome) = step(state);
            match self
                .state
                .compare_exchange_weak(state, next, Acquire, Relaxed)
            {
                Ok(_) => return outcome,
                Err(seen) => state = seen,
            }
        }
    }

    /// The last reader has left while somebody waits.
    #[cold]
    fn wake(&self) {
        // Whoever sets a flag after this has enqueued before, and is woken all the same.
        self.state.fetch_and(!(WANTED | SLEEPERS), AcqRel);
        self.queue.wake_all();
    }
}

pub(crate) struct ReadGuard<'a, T> {
    lock: &'a RwLock<T>,
}

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: no writer while a reader is counted.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> Drop for ReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let before = self.lock.state.fetch_sub(1, Release);
        if before & READERS == 1 && before & SLEEPERS != 0 {
            self.lock.wake();
        }
    }
}

pub(crate) struct WriteGuard<'a, T> {
    lock: &'a RwLock<T>,
}

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the only holder.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the only holder, borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for WriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.lock.state.swap(0, Release) & SLEEPERS != 0 {
            self.lock.queue.wake_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::vec::Vec;

    #[test]
    fn writers_exclude_and_nobody_is_left_asleep() {
        let rounds = if cfg!(miri) { 30 } else { 3_000 };
        let lock = Arc::new(RwLock::new((0u32, 0u32)));
        let threads: Vec<_> = (0..4)
            .map(|index| {
                let lock = lock.clone();
                std::thread::spawn(move || {
                    for round in 0..rounds {
                        if (round + index) % 3 == 0 {
                            let mut value = lock.write();
                            value.0 += 1;
                            std::thread::yield_now();
                            value.1 += 1;
                        } else {
                            let value = lock.read();
                            assert_eq!(value.0, value.1);
                        }
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(lock.state.load(Relaxed) & (WRITER | READERS), 0);
        assert_eq!(lock.read().0, 4 * rounds / 3);
    }
}
