//! The counting semaphore: as many threads at once as it has permits.

use crate::sync::{AtomicUsize, Ordering, const_fn, mutate};
use crate::timeout::Timeout;
use crate::wait_queue::{TimedOut, WaitQueue};

/// Posting is allowed in any context, waiting in threads. Who waits longest is woken first; a
/// thread that comes just then may be quicker.
pub struct Semaphore {
    permits: AtomicUsize,
    queue: WaitQueue,
}

impl Semaphore {
    const_fn! {
        pub fn new(permits: usize) -> Self {
            Semaphore {
                permits: AtomicUsize::new(permits),
                queue: WaitQueue::new(),
            }
        }
    }

    /// Adds a permit and wakes a thread that waits for one.
    pub fn post(&self) {
        if mutate("semaphore_wakes_first", false, true) {
            self.queue.wake_one();
        }
        let release = mutate(
            "semaphore_post_relaxed",
            Ordering::Release,
            Ordering::Relaxed,
        );
        self.permits.fetch_add(1, release);
        if mutate("semaphore_wakes_first", true, false) {
            self.queue.wake_one();
        }
    }

    /// Takes a permit, waiting for one if need be.
    pub fn wait(&self, timeout: Timeout) -> Result<(), TimedOut> {
        self.queue
            .wait_for(timeout, || self.try_wait().then_some(()))
    }

    /// Takes a permit if there is one.
    pub fn try_wait(&self) -> bool {
        let one_less = |permits: usize| permits.checked_sub(1);
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        let taken = self.permits.fetch_update(acquire, relaxed, one_less);
        taken.is_ok()
    }

    /// How many permits are left: already history.
    pub fn permits(&self) -> usize {
        self.permits.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::testing::in_threads;
    use alloc::sync::Arc;
    use core::sync::atomic::AtomicUsize as Plain;

    #[test]
    fn permits_count() {
        let semaphore = Semaphore::new(2);
        assert!(semaphore.try_wait() && semaphore.try_wait() && !semaphore.try_wait());
        assert_eq!(semaphore.wait(Timeout::Now), Err(TimedOut));
        assert_eq!(semaphore.wait(Timeout::After(1000)), Err(TimedOut));
        semaphore.post();
        assert_eq!(
            (semaphore.wait(Timeout::Never), semaphore.permits()),
            (Ok(()), 0)
        );
    }

    #[test]
    fn no_more_threads_than_permits() {
        let rounds = if cfg!(miri) { 20 } else { 1_000 };
        let shared = Arc::new((Semaphore::new(2), Plain::new(0)));
        let inside = shared.clone();
        let threads = in_threads(5, move || {
            for _ in 0..rounds {
                inside.0.wait(Timeout::Never).unwrap();
                assert!(inside.1.fetch_add(1, Ordering::SeqCst) < 2);
                std::thread::yield_now();
                inside.1.fetch_sub(1, Ordering::SeqCst);
                inside.0.post();
            }
        });
        threads.join();
        assert_eq!(shared.0.permits(), 2);
    }
}
