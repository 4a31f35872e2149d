//! Waiting for a thread's end.
//!
//! A stack of waiting threads that the end of the thread closes for good. A joiner pushes itself
//! with a counted reference and parks until its own `released` flag is set. The tail first
//! publishes DEAD, then closes the stack and releases all that were on it: link read, flag set,
//! wake, reference dropped, in this order, for a released joiner may go on, join another thread
//! and end before the wake reaches it. One that finds the stack closed need not wait: whoever
//! closed it had published DEAD before (Release on the swap, Acquire on the failed push).

use alloc::sync::Arc;
use core::ptr;

use crate::sync::{AtomicBool, AtomicPtr, Ordering, mutate};
use crate::thread::{Thread, ThreadRef};

pub(crate) struct Joiners {
    /// Threads that wait for this one, or `CLOSED`.
    head: AtomicPtr<Thread>,
    /// This thread's place among the joiners of another; it waits for one at a time.
    link: AtomicPtr<Thread>,
    released: AtomicBool,
}

fn closed() -> *mut Thread {
    ptr::without_provenance_mut(1)
}

impl Joiners {
    pub fn new() -> Self {
        Self {
            head: AtomicPtr::new(ptr::null_mut()),
            link: AtomicPtr::new(ptr::null_mut()),
            released: AtomicBool::new(false),
        }
    }

    /// Registers the calling thread; false when the thread is dead already. After true the
    /// caller waits until it [`is_released`](Self::is_released).
    #[must_use = "false: do not wait"]
    pub fn register(&self, joiner: &ThreadRef) -> bool {
        let me = &joiner.joiners;
        me.released.store(false, Ordering::Relaxed);
        let node = Arc::into_raw(joiner.0.clone()).cast_mut();
        let mut head = self.head.load(Ordering::Acquire);
        while head != closed() {
            me.link.store(head, Ordering::Relaxed);
            let (ok, ko) = (Ordering::AcqRel, Ordering::Acquire);
            match self.head.compare_exchange_weak(head, node, ok, ko) {
                Ok(_) => return true,
                Err(current) => head = current,
            }
        }
        // SAFETY: from `into_raw` above, and nobody has seen it.
        drop(unsafe { Arc::from_raw(node) });
        false
    }

    /// Whether the thread that the owner of this value waited for has ended.
    pub fn is_released(&self) -> bool {
        let order = mutate("released_relaxed", Ordering::Acquire, Ordering::Relaxed);
        self.released.load(order)
    }

    /// Closes the stack, calling `wake` for each registered thread. By the tail, after DEAD.
    pub fn close(&self, mut wake: impl FnMut(&ThreadRef)) {
        let end = mutate("close_leaves_open", closed(), ptr::null_mut());
        let mut next = self.head.swap(end, Ordering::AcqRel);
        while !next.is_null() {
            // SAFETY: the reference its joiner pushed.
            let joiner = ThreadRef(unsafe { Arc::from_raw(next) });
            next = joiner.joiners.link.load(Ordering::Relaxed);
            joiner.joiners.released.store(true, Ordering::Release);
            wake(&joiner);
        }
    }
}
