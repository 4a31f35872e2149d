//! The spin lock: short critical sections, shared with interrupt handlers.
//!
//! Taking it masks IRQs on this CPU, always, so no handler can ever meet its interrupted holder.
//! Test-and-set, not FIFO: with fewer cores than virtual CPUs a queue stalls behind every
//! descheduled member. While it waits it restores the caller's interrupt mask and yields.

use crate::sync::{AtomicBool, IrqsOff, Ordering, UnsafeCell, const_fn, irqs_off, mutate};
use core::ops::{Deref, DerefMut};

/// A value behind a spin lock. Nothing that may sleep is allowed while it is held.
pub struct SpinLock<T> {
    /// Set by a compare-exchange (Acquire), cleared by the holder (Release).
    locked: AtomicBool,
    #[cfg(debug_assertions)]
    holder: debug::Holder,
    /// Only the holder touches it.
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives one thread at a time the only reference to the value.
unsafe impl<T: Send> Send for SpinLock<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SpinLock<T> {}

/// The lock is held and IRQs are masked while this lives.
#[must_use = "the lock is released when the guard is dropped"]
pub struct SpinLockGuard<'a, T> {
    lock: &'a SpinLock<T>,
    // Dropped after `Drop::drop` has released the lock: only then may an interrupt come in.
    irqs: IrqsOff,
}

impl<T> SpinLock<T> {
    const_fn! {
        pub fn new(value: T) -> Self {
            SpinLock {
                locked: AtomicBool::new(false),
                #[cfg(debug_assertions)]
                holder: debug::Holder::nobody(),
                value: UnsafeCell::new(value),
            }
        }
    }

    #[inline]
    pub fn lock(&self) -> SpinLockGuard<'_, T> {
        loop {
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            while self.locked.load(Ordering::Relaxed) {
                crate::sync::spin_hint();
            }
        }
    }

    #[inline]
    pub fn try_lock(&self) -> Option<SpinLockGuard<'_, T>> {
        let irqs = irqs_off();
        let acquire = mutate("lock_relaxed", Ordering::Acquire, Ordering::Relaxed);
        if self
            .locked
            .compare_exchange(false, true, acquire, Ordering::Relaxed)
            .is_err()
        {
            #[cfg(debug_assertions)]
            self.holder.assert_elsewhere(core::any::type_name::<T>());
            return None;
        }
        #[cfg(debug_assertions)]
        self.holder.set();
        Some(SpinLockGuard { lock: self, irqs })
    }

    /// Whether somebody holds it now: for assertions.
    pub fn is_locked(&self) -> bool {
        self.locked.load(Ordering::Relaxed)
    }

    /// The value without the lock.
    ///
    /// # Safety
    /// Nobody changes the value while the reference lives.
    #[inline]
    pub unsafe fn unlocked(&self) -> &T {
        // SAFETY: as asked of the caller: references to it are all shared ones.
        self.value.with(|value| unsafe { &*value })
    }

    /// Frees the lock whatever its state: a panicking kernel must print.
    ///
    /// # Safety
    /// Nobody will run on in the critical section that is broken open.
    pub unsafe fn force_unlock(&self) {
        self.locked.store(false, Ordering::Release);
    }
}

impl<T: Default> Default for SpinLock<T> {
    fn default() -> Self {
        SpinLock::new(T::default())
    }
}

#[cfg(not(any(loom, shuttle)))]
impl<T> SpinLockGuard<'_, T> {
    /// The proof that IRQs are masked, for per-CPU variables.
    #[inline]
    pub fn irqs(&self) -> &percpu::IrqGuard {
        &self.irqs
    }
}

impl<T> Deref for SpinLockGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard is the only way to the value, and it is borrowed.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for SpinLockGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard is the only way to the value, and it is borrowed mutably.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for SpinLockGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let _masked_until_released = &self.irqs;
        #[cfg(debug_assertions)]
        self.lock.holder.clear();
        let release = mutate("unlock_relaxed", Ordering::Release, Ordering::Relaxed);
        self.lock.locked.store(false, release);
    }
}

/// Debug builds remember the holding CPU: taking a lock twice panics instead of hanging.
#[cfg(debug_assertions)]
mod debug {
    use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    pub(super) struct Holder(AtomicUsize);

    const NOBODY: usize = usize::MAX;

    // Models have no CPUs to tell apart.
    fn here() -> usize {
        if cfg!(any(loom, shuttle)) {
            NOBODY
        } else {
            percpu::cpu_id().index()
        }
    }

    impl Holder {
        pub(super) const fn nobody() -> Self {
            Holder(AtomicUsize::new(NOBODY))
        }

        pub(super) fn set(&self) {
            self.0.store(here(), Relaxed);
        }

        pub(super) fn clear(&self) {
            self.0.store(NOBODY, Relaxed);
        }

        /// IRQs are masked here and at the holder, so "same CPU" means "this very context".
        pub(super) fn assert_elsewhere(&self, what: &str) {
            let holder = self.0.load(Relaxed);
            assert!(
                holder == NOBODY || holder != here(),
                "spin lock of {what} taken twice"
            );
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::sync::Arc;

    #[test]
    fn excludes_and_masks() {
        let lock = Arc::new(SpinLock::new(0));
        let threads = [(); 4].map(|()| {
            let lock = lock.clone();
            std::thread::spawn(move || (0..500).for_each(|_| *lock.lock() += 1))
        });
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        let guard = lock.lock();
        assert_eq!(*guard, 2000);
        assert!(percpu::irq::is_masked() && lock.is_locked());
        drop(guard);
        assert!(!percpu::irq::is_masked() && !lock.is_locked());
    }

    #[test]
    fn try_lock_from_another_thread_fails() {
        let lock = Arc::new(SpinLock::new(()));
        let _held = lock.lock();
        let other = lock.clone();
        let free = std::thread::spawn(move || other.try_lock().is_some())
            .join()
            .unwrap();
        assert!(!free);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "taken twice")]
    fn taking_it_twice_is_caught() {
        let lock = SpinLock::new(());
        let _first = lock.lock();
        let _second = lock.lock();
    }
}
