//! Sleeping and being woken, as the blocking layer needs it: the scheduler's threads, or the
//! model's.

#[cfg(not(loom))]
pub(crate) use crate::runtime::{Unparked, current, park};
#[cfg(not(loom))]
pub(crate) use crate::thread::ThreadRef as Sleeper;

#[cfg(loom)]
pub(crate) use crate::runtime::Unparked;
#[cfg(loom)]
pub(crate) use model::{Sleeper, current, park};

/// The same contract under loom: a sticky token per thread. Not loom's own `park`, which cannot be
/// mixed with its locks.
#[cfg(loom)]
mod model {
    use crate::runtime::Unparked;
    use loom::sync::{Arc, Condvar, Mutex};

    #[derive(Clone)]
    pub(crate) struct Sleeper(Arc<(Mutex<bool>, Condvar)>);

    loom::thread_local! {
        static SELF: Sleeper = Sleeper(Arc::new((Mutex::new(false), Condvar::new())));
    }

    pub(crate) fn current() -> Sleeper {
        SELF.with(Sleeper::clone)
    }

    /// Time does not pass in a model, so a deadline is either absent or already over.
    pub(crate) fn park(deadline_ns: Option<u64>) -> Unparked {
        let (token, woken) = &*current().0;
        let mut token = token.lock().expect("no panic under the token");
        while !*token {
            if deadline_ns.is_some() {
                return Unparked::TimedOut;
            }
            token = woken.wait(token).expect("no panic under the token");
        }
        *token = false;
        Unparked::Woken
    }

    impl Sleeper {
        pub(crate) fn unpark(&self) {
            *self.0.0.lock().expect("no panic under the token") = true;
            self.0.1.notify_one();
        }
    }
}
