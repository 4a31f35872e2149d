//! Events: threads wait until somebody says that something happened.
//!
//! A *manual* event stays signalled, and lets everybody through, until it is unsignalled; whoever
//! waited when it was signalled is released even if it is unsignalled at once. An *automatic*
//! event lets one thread through for each signal: a waiting one if there is one, else the next
//! that comes; a second signal that nobody has taken yet adds nothing.

use crate::spinlock::SpinLock;
use crate::sync::{const_fn, mutate};
use crate::timeout::Timeout;
use crate::wait_queue::{TimedOut, WaitQueue};

/// When an event stops being signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsignal {
    /// By [`Event::unsignal`].
    Manual,
    /// As soon as one thread was let through.
    Auto,
}

/// See the module. Signalling is allowed in any context, waiting in threads.
pub struct Event {
    unsignal: Unsignal,
    state: SpinLock<State>,
    queue: WaitQueue,
}

struct State {
    signalled: bool,
    /// How often a manual event became signalled: a waiter that sees it change may go.
    rounds: u64,
    /// Threads that wait on an automatic event, and how many of them may go.
    waiting: usize,
    granted: usize,
}

impl State {
    const fn new(signalled: bool) -> Self {
        State {
            signalled,
            rounds: 0,
            waiting: 0,
            granted: 0,
        }
    }
}

impl Event {
    const_fn! {
        pub fn new(unsignal: Unsignal, signalled: bool) -> Self {
            Event {
                unsignal,
                state: SpinLock::new(State::new(signalled)),
                queue: WaitQueue::new(),
            }
        }
    }

    /// Releases who waits, or who comes next.
    pub fn signal(&self) {
        match self.unsignal {
            Unsignal::Manual => self.signal_all(),
            Unsignal::Auto => self.signal_one(),
        }
    }

    fn signal_all(&self) {
        let mut state = self.state.lock();
        if !core::mem::replace(&mut state.signalled, true) {
            state.rounds += 1;
            drop(state);
            self.queue.wake_all();
        }
    }

    fn signal_one(&self) {
        let mut state = self.state.lock();
        if state.granted < state.waiting {
            state.granted += 1;
            drop(state);
            self.queue.wake_one();
        } else {
            state.signalled = true;
        }
    }

    /// From here on threads wait again.
    pub fn unsignal(&self) {
        self.state.lock().signalled = false;
    }

    pub fn is_signalled(&self) -> bool {
        self.state.lock().signalled
    }

    /// How many threads wait: already history.
    pub fn waiters(&self) -> usize {
        self.queue.len()
    }

    /// Sleeps until the event is signalled.
    pub fn wait(&self, timeout: Timeout) -> Result<(), TimedOut> {
        match self.unsignal {
            Unsignal::Manual => self.wait_for_all(timeout),
            Unsignal::Auto => self.wait_for_one(timeout),
        }
    }

    fn wait_for_all(&self, timeout: Timeout) -> Result<(), TimedOut> {
        let came_in = self.state.lock().rounds;
        self.queue.wait_for(timeout, || {
            let state = self.state.lock();
            let missed = state.rounds != came_in && mutate("event_round_unseen", true, false);
            (state.signalled || missed).then_some(())
        })
    }

    fn wait_for_one(&self, timeout: Timeout) -> Result<(), TimedOut> {
        let mut state = self.state.lock();
        if core::mem::take(&mut state.signalled) {
            return Ok(());
        }
        state.waiting += 1;
        drop(state);
        let waited = self.queue.wait_for(timeout, || self.take_grant());
        waited.or_else(|TimedOut| self.give_up())
    }

    fn take_grant(&self) -> Option<()> {
        let mut state = self.state.lock();
        state.granted = state.granted.checked_sub(1)?;
        state.waiting -= 1;
        Some(())
    }

    /// The wait is over without a grant, unless one came at the last moment.
    fn give_up(&self) -> Result<(), TimedOut> {
        let mut state = self.state.lock();
        state.waiting -= 1;
        // A grant that no other waiter can take any more is this thread's.
        if state.granted > state.waiting && mutate("event_grant_dropped", true, false) {
            state.granted -= 1;
            return Ok(());
        }
        Err(TimedOut)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::testing::{in_threads, until};
    use alloc::sync::Arc;

    #[test]
    fn a_manual_event_lets_all_through_until_unsignalled() {
        let event = Arc::new(Event::new(Unsignal::Manual, false));
        assert_eq!(event.wait(Timeout::Now), Err(TimedOut));
        let waiting = event.clone();
        let threads = in_threads(3, move || waiting.wait(Timeout::Never));
        until(|| event.queue.len() == 3);
        // Whoever waited goes, although the event is over before they run.
        event.signal();
        event.unsignal();
        assert!(threads.join().iter().all(Result::is_ok));
        assert_eq!(event.wait(Timeout::After(1000)), Err(TimedOut));
        event.signal();
        assert_eq!(
            (event.wait(Timeout::Now), event.wait(Timeout::Now)),
            (Ok(()), Ok(()))
        );
    }

    #[test]
    fn an_automatic_event_lets_one_through_per_signal() {
        let event = Arc::new(Event::new(Unsignal::Auto, false));
        let waiting = event.clone();
        let threads = in_threads(3, move || waiting.wait(Timeout::Never));
        until(|| event.queue.len() == 3);
        // Three signals in a row release three threads; none is swallowed.
        (0..3).for_each(|_| event.signal());
        threads.join();
        assert!(!event.is_signalled());
        event.signal();
        event.signal();
        assert_eq!(event.wait(Timeout::Now), Ok(()));
        assert_eq!(event.wait(Timeout::Now), Err(TimedOut));
    }

    #[test]
    fn signals_that_meet_timeouts_are_not_lost() {
        let event = Arc::new(Event::new(Unsignal::Auto, false));
        let rounds = if cfg!(miri) { 14 } else { 300 };
        for round in 0..rounds {
            let waiting = event.clone();
            let patience = Timeout::After(round % 7 * 3_000);
            let threads = in_threads(1, move || waiting.wait(patience));
            event.signal();
            // Either the waiter took the signal, or it is still there.
            let taken = threads.join()[0].is_ok();
            assert_eq!(event.wait(Timeout::Now).is_err(), taken);
        }
    }
}
