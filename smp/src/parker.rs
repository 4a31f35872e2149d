//! Sleeping and being woken, as the blocking layer needs it: the scheduler's threads, or the
//! model's.

#[cfg(not(loom))]
pub(crate) use crate::runtime::{Unparked, announce, current, park};
#[cfg(not(loom))]
pub use crate::thread::ThreadRef as Sleeper;

#[cfg(loom)]
pub(crate) use crate::runtime::Unparked;
#[cfg(loom)]
pub use model::{Sleeper, sleeper};
#[cfg(loom)]
pub(crate) use model::{announce, current, owner_of, park, token};

/// The same contract under loom: a sticky token per thread. Not loom's own `park`, which cannot be
/// mixed with its locks.
#[cfg(loom)]
mod model {
    use crate::params::Params;
    use crate::runtime::Unparked;
    use crate::spec::ThreadSpec;
    use crate::thread::{Thread, ThreadId, ThreadRef};
    use core::ops::Deref;
    use loom::sync::{Condvar, Mutex};

    /// A thread that is only parked and lent to, never scheduled.
    #[derive(Clone)]
    pub struct Sleeper(std::sync::Arc<Inner>);

    struct Inner {
        woken: Mutex<bool>,
        changed: Condvar,
        thread: ThreadRef,
    }

    loom::thread_local! {
        static SELF: Sleeper = sleeper(Params::default());
    }

    /// A new one, for a model that plays several threads.
    pub fn sleeper(params: Params) -> Sleeper {
        let spec = ThreadSpec::new("model", || {});
        let spec = spec.policy(params.policy).nice(params.nice);
        let id = ThreadId {
            tid: 1,
            generation: 1,
        };
        Sleeper(std::sync::Arc::new(Inner {
            woken: Mutex::new(false),
            changed: Condvar::new(),
            thread: ThreadRef::new(id, spec),
        }))
    }

    impl Deref for Sleeper {
        type Target = Thread;

        fn deref(&self) -> &Thread {
            &self.0.thread
        }
    }

    impl PartialEq for Sleeper {
        fn eq(&self, other: &Self) -> bool {
            std::sync::Arc::ptr_eq(&self.0, &other.0)
        }
    }

    pub(crate) fn current() -> Sleeper {
        SELF.with(Sleeper::clone)
    }

    pub(crate) fn token() -> usize {
        std::sync::Arc::as_ptr(&current().0).addr()
    }

    /// # Safety
    /// The thread named is alive, and stays so until this returns.
    pub(crate) unsafe fn owner_of(token: usize) -> Option<Sleeper> {
        let inner = token as *const Inner;
        // SAFETY: alive, says the caller.
        unsafe { std::sync::Arc::increment_strong_count(inner) };
        // SAFETY: the count just added.
        Some(Sleeper(unsafe { std::sync::Arc::from_raw(inner) }))
    }

    pub(crate) fn announce(_thread: &Sleeper) {}

    /// Time does not pass in a model, so a deadline is either absent or already over.
    pub(crate) fn park(deadline_ns: Option<u64>) -> Unparked {
        let inner = current().0;
        let mut woken = inner.woken.lock().expect("no panic under the token");
        while !*woken {
            if deadline_ns.is_some() {
                return Unparked::TimedOut;
            }
            woken = inner.changed.wait(woken).expect("no panic under the token");
        }
        *woken = false;
        Unparked::Woken
    }

    impl Sleeper {
        pub fn unpark(&self) {
            *self.0.woken.lock().expect("no panic under the token") = true;
            self.0.changed.notify_one();
        }
    }
}
