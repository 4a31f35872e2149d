//! The condition variable: a place to sleep while a mutex's value is not as wanted.
//!
//! A waiter notes how often the variable was notified, still under the mutex, and sleeps until
//! that number has changed: whoever changes the value and then notifies cannot be missed.

use crate::mutex::MutexGuard;
use crate::sync::{AtomicUsize, Ordering, const_fn, mutate};
use crate::timeout::Timeout;
use crate::wait_queue::{TimedOut, WaitQueue};

/// Used with one [`Mutex`](crate::Mutex) at a time. Notifying is allowed in any context.
pub struct Condvar {
    notified: AtomicUsize,
    queue: WaitQueue,
}

impl Condvar {
    const_fn! {
        pub fn new() -> Self {
            Condvar {
                notified: AtomicUsize::new(0),
                queue: WaitQueue::new(),
            }
        }
    }

    /// Frees the mutex, sleeps until notified, takes the mutex again. May also return for no
    /// reason: look at the value again.
    #[must_use = "the mutex is held again"]
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.wait_for(guard, Timeout::Never).0
    }

    /// The same for a limited time. The mutex is held again in any case.
    #[must_use = "the mutex is held again"]
    pub fn wait_for<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Timeout,
    ) -> (MutexGuard<'a, T>, Result<(), TimedOut>) {
        let mutex = guard.mutex();
        let mut seen = self.notified.load(Ordering::Relaxed);
        drop(guard);
        if mutate("condvar_looks_late", false, true) {
            seen = self.notified.load(Ordering::Relaxed);
        }
        let changed = || (self.notified.load(Ordering::Relaxed) != seen).then_some(());
        let waited = self.queue.wait_for(timeout, changed);
        (mutex.lock(), waited)
    }

    /// Sleeps while `condition` holds for the value.
    #[must_use = "the mutex is held again"]
    pub fn wait_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        while condition(&mut guard) {
            guard = self.wait(guard);
        }
        guard
    }

    /// Wakes the thread that has waited longest.
    pub fn notify_one(&self) {
        self.notified.fetch_add(1, Ordering::Relaxed);
        self.queue.wake_one();
    }

    /// Wakes every thread that waits now.
    pub fn notify_all(&self) {
        self.notified.fetch_add(1, Ordering::Relaxed);
        self.queue.wake_all();
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Condvar::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::mutex::Mutex;
    use crate::testing::in_threads;
    use alloc::collections::VecDeque;
    use alloc::sync::Arc;

    #[test]
    fn a_bounded_buffer() {
        const ITEMS: usize = if cfg!(miri) { 30 } else { 2_000 };
        const ROOM: usize = 3;
        let shared = Arc::new((Mutex::new(VecDeque::new()), Condvar::new(), Condvar::new()));
        let source = shared.clone();
        let producers = in_threads(2, move || {
            let (buffer, filled, emptied) = &*source;
            for item in 0..ITEMS {
                let full = |items: &mut VecDeque<usize>| items.len() == ROOM;
                let mut items = emptied.wait_while(buffer.lock(), full);
                items.push_back(item);
                filled.notify_one();
            }
        });
        let sink = shared.clone();
        let consumers = in_threads(2, move || {
            let (buffer, filled, emptied) = &*sink;
            let take = |_| {
                let mut items = filled.wait_while(buffer.lock(), |items| items.is_empty());
                emptied.notify_one();
                items.pop_front().unwrap()
            };
            (0..ITEMS).map(take).sum::<usize>()
        });
        producers.join();
        let sum: usize = consumers.join().into_iter().sum();
        assert_eq!(sum, ITEMS * (ITEMS - 1));
    }

    #[test]
    fn a_deadline_ends_the_wait_with_the_mutex_held() {
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        for timeout in [Timeout::Now, Timeout::After(2_000_000)] {
            let (guard, waited) = condvar.wait_for(mutex.lock(), timeout);
            assert!(waited.is_err() && mutex.is_locked());
            drop(guard);
        }
        assert!(!mutex.is_locked());
    }
}
