//! Observers: who wants to hear that a file's readiness may have changed (poll, epoll).
//!
//! The observer registers and then looks at the readiness; the file changes its readiness and
//! then notifies. Full fences on both sides, as in [`crate::wait_queue`], so a file that nobody
//! watches pays one fence and one load.

use crate::spinlock::SpinLock;
use crate::sync::{AtomicUsize, Ordering, const_fn, fence, mutate};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Hears about changes. Called with a spin lock held and interrupts masked: it may wake and
/// record, and must not sleep, nor add or remove observers of the same file.
pub trait Observer: Send + Sync {
    /// `events` (poll(2) bits) may have become true. May be told too much, never too little.
    fn notify(&self, events: u32);
}

/// The observers of one file.
pub struct Observers {
    /// The list's length. Written under the lock, read without.
    count: AtomicUsize,
    list: SpinLock<Vec<Arc<dyn Observer>>>,
}

impl Observers {
    const_fn! {
        pub fn new() -> Self {
            Observers {
                count: AtomicUsize::new(0),
                list: SpinLock::new(Vec::new()),
            }
        }
    }

    /// Registers `observer`. Look at the readiness afterwards: earlier changes were not told.
    pub fn add(&self, observer: Arc<dyn Observer>) {
        let mut list = self.list.lock();
        list.push(observer);
        self.count.store(list.len(), Ordering::Relaxed);
        drop(list);
        if mutate("observer_unfenced", true, false) {
            fence(Ordering::SeqCst);
        }
    }

    /// Takes one registration of `observer` back; it is not called any more after this returns.
    pub fn remove(&self, observer: &Arc<dyn Observer>) {
        let mut list = self.list.lock();
        let found = list.iter().position(|known| Arc::ptr_eq(known, observer));
        let removed = found.map(|index| list.swap_remove(index));
        self.count.store(list.len(), Ordering::Relaxed);
        drop(list);
        // Perhaps the last reference: dropped outside the lock.
        drop(removed);
    }

    /// Tells everyone that `events` may have become true. Any context.
    #[inline]
    pub fn notify(&self, events: u32) {
        if mutate("notifier_unfenced", true, false) {
            fence(Ordering::SeqCst);
        }
        if self.count.load(Ordering::Relaxed) != 0 {
            self.tell(events);
        }
    }

    #[inline(never)]
    fn tell(&self, events: u32) {
        let list = self.list.lock();
        list.iter().for_each(|observer| observer.notify(events));
    }

    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }
}

impl Default for Observers {
    fn default() -> Self {
        Observers::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicU32;

    #[derive(Default)]
    struct Heard(AtomicU32);

    impl Observer for Heard {
        fn notify(&self, events: u32) {
            self.0.fetch_add(events, Ordering::Relaxed);
        }
    }

    #[test]
    fn everyone_hears_until_removed() {
        let observers = Observers::new();
        let (first, second) = (Arc::new(Heard::default()), Arc::new(Heard::default()));
        let as_observer: Arc<dyn Observer> = first.clone();
        observers.notify(1);
        observers.add(as_observer.clone());
        observers.add(second.clone());
        observers.notify(4);
        observers.remove(&as_observer);
        observers.remove(&as_observer);
        observers.notify(8);
        let heard = [&first, &second].map(|heard| heard.0.load(Ordering::Relaxed));
        assert_eq!(heard, [4, 12]);
        assert!(!observers.is_empty());
    }
}
