//! The sleeping reader-writer lock: many readers or one writer, for what is mostly read, or read by
//! many CPUs at once (an address space, whose page faults are readers).
//!
//! One word counts the readers, or says that a writer has it, and whether somebody waits. Whoever
//! lets go of a lock that is waited for leaves it free for all and wakes *one* thread; that one
//! passes it on: a reader that has come in wakes the next in the queue, a writer sees to it that
//! its own letting go will. To wake them all would be a switch for each that waits and each time,
//! in vain for all but one. Who finds itself beaten to the lock goes back to the front of the queue.

use crate::sync::{AtomicU32, Ordering, UnsafeCell, const_fn, mutate};
use crate::wait_queue::WaitQueue;
use core::ops::{Deref, DerefMut};

/// A writer has it.
const WRITER: u32 = 1 << 31;
/// Somebody waits: readers that come now wait too, so that writers do not starve. Set by who is
/// about to sleep, while the lock is held, so that the holder sees it when it lets go.
const WANTED: u32 = 1 << 30;
/// The number of readers.
const READERS: u32 = WANTED - 1;

/// A value behind a sleeping lock. Not for interrupt handlers, nor under a spin lock. A reader must
/// not take it again: a writer in between would wait for the first, and the second for the writer.
pub struct RwLock<T> {
    state: AtomicU32,
    queue: WaitQueue,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands out shared references to readers and one exclusive one to a writer.
unsafe impl<T: Send> Send for RwLock<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    const_fn! {
        pub fn new(value: T) -> Self {
            RwLock {
                state: AtomicU32::new(0),
                queue: WaitQueue::new(),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// Sleeps while a writer has the lock, or waits for it.
    #[inline]
    pub fn read(&self) -> ReadGuard<'_, T> {
        assert_may_sleep();
        let state = self.state.load(Ordering::Relaxed);
        if state & (WRITER | WANTED) != 0 || !self.step(state, state + 1) {
            self.read_slow();
        }
        ReadGuard { lock: self }
    }

    /// Sleeps until nobody else has the lock.
    #[inline]
    pub fn write(&self) -> WriteGuard<'_, T> {
        assert_may_sleep();
        if !self.step(0, WRITER) {
            self.write_slow();
        }
        WriteGuard { lock: self }
    }

    fn step(&self, from: u32, to: u32) -> bool {
        let (ok, ko) = (Ordering::AcqRel, Ordering::Relaxed);
        self.state.compare_exchange(from, to, ok, ko).is_ok()
    }

    #[cold]
    fn read_slow(&self) {
        self.queue.wait(|| self.enter(WRITER | WANTED, 1));
        if mutate("rw_reader_keeps_wake", true, false) {
            self.queue.wake_one();
        }
    }

    #[cold]
    fn write_slow(&self) {
        self.queue.wait(|| self.enter(WRITER | READERS, WRITER));
        // The thread that woke this one has cleared the mark for those behind it, too.
        if !self.queue.is_empty() && mutate("rw_writer_forgets", true, false) {
            self.state.fetch_or(WANTED, Ordering::Relaxed);
        }
    }

    /// Enters unless one of `barriers` is up; else leaves word that somebody waits.
    fn enter(&self, barriers: u32, share: u32) -> Option<()> {
        loop {
            let state = self.state.load(Ordering::Relaxed);
            let free = state & barriers == 0;
            let next = if free { state + share } else { state | WANTED };
            if self.step(state, next) {
                return free.then_some(());
            }
        }
    }

    /// The last reader has left while somebody waits.
    #[cold]
    fn wake(&self) {
        // Whoever marks it after this has queued before, and is found there.
        self.state.fetch_and(!WANTED, Ordering::AcqRel);
        self.queue.wake_one();
    }
}

fn assert_may_sleep() {
    #[cfg(not(loom))]
    debug_assert!(
        percpu::preempt::is_enabled(),
        "sleeping lock in atomic context"
    );
}

/// One of the readers while this lives.
#[must_use = "the lock is released when the guard is dropped"]
pub struct ReadGuard<'a, T> {
    lock: &'a RwLock<T>,
}

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: no writer while a reader is counted.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> Drop for ReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let before = self.lock.state.fetch_sub(1, Ordering::Release);
        let last = before & READERS == 1 && before & WANTED != 0;
        if last && mutate("rw_reader_leaves_silently", true, false) {
            self.lock.wake();
        }
    }
}

/// The only holder while this lives.
#[must_use = "the lock is released when the guard is dropped"]
pub struct WriteGuard<'a, T> {
    lock: &'a RwLock<T>,
}

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the only holder.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the only holder, borrowed mutably.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for WriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let release = mutate("rw_unlock_relaxed", Ordering::Release, Ordering::Relaxed);
        if self.lock.state.swap(0, release) & WANTED != 0 {
            self.lock.queue.wake_one();
        }
    }
}

#[cfg(all(test, not(loom)))]
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
        assert_eq!(lock.state.load(Ordering::Relaxed), 0);
        assert!(lock.queue.is_empty());
        assert_eq!(lock.read().0, 4 * rounds / 3);
    }
}
