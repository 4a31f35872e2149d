//! Wait queues: threads that sleep until a condition holds.
//!
//! The sleeper enqueues itself, looks at its condition once more and parks; the waker makes the
//! condition true and then wakes. Neither can miss the other: between "enqueue" and "look", and
//! between "make true" and "anybody waiting?", each side has a full fence, so at least one of
//! them sees what the other wrote. Waking an empty queue costs that fence and one load.
//!
//! A waiter's node lives on its own stack. The waker touches it under the queue's lock only, and
//! its last touch is the Release store to `state`; a sleeper that reads that store (Acquire), or
//! takes itself off under the lock, may return.

mod list;

use crate::parker::{Unparked, current, park};
use crate::spinlock::SpinLock;
use crate::sync::{AtomicUsize, Ordering, const_fn, fence, mutate};
use crate::timeout::Timeout;
use list::{List, NEW, QUEUED, WOKEN_ALL, WOKEN_ONE, Waiter};

/// The deadline passed before the condition held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

/// A FIFO of sleeping threads. The wake side may be called from any context.
pub struct WaitQueue {
    /// How many nodes the list has. Written under the lock, read without.
    waiting: AtomicUsize,
    list: SpinLock<List>,
}

impl WaitQueue {
    const_fn! {
        pub fn new() -> Self {
            WaitQueue {
                waiting: AtomicUsize::new(0),
                list: SpinLock::new(List::EMPTY),
            }
        }
    }

    /// Sleeps until `condition` gives a value. It is looked at first of all, and after every wake
    /// of this thread whatever its reason; it may itself sleep.
    pub fn wait<R>(&self, condition: impl FnMut() -> Option<R>) -> R {
        match self.wait_until(None, condition) {
            Ok(value) => value,
            Err(TimedOut) => unreachable!("a wait without a deadline timed out"),
        }
    }

    /// The same, for a limited time; with [`Timeout::Now`] it is one look at the condition.
    pub fn wait_for<R>(
        &self,
        timeout: Timeout,
        mut condition: impl FnMut() -> Option<R>,
    ) -> Result<R, TimedOut> {
        match timeout {
            Timeout::Now => condition().ok_or(TimedOut),
            _ => self.wait_until(timeout.deadline_ns(), condition),
        }
    }

    /// The same, until `deadline_ns` (monotonic) at the latest. The condition has the last word.
    ///
    /// A caller that gives up for a reason of its own (it returns a "give up" value from the
    /// condition) may have swallowed a `wake_one` and must call [`Self::wake_one`] itself.
    #[inline]
    pub fn wait_until<R>(
        &self,
        deadline_ns: Option<u64>,
        mut condition: impl FnMut() -> Option<R>,
    ) -> Result<R, TimedOut> {
        match condition() {
            Some(value) => Ok(value),
            None => self.sleep_until(deadline_ns, condition),
        }
    }

    /// The same for a thread that has looked at the condition already.
    #[inline(never)]
    pub fn sleep_until<R>(
        &self,
        deadline_ns: Option<u64>,
        mut condition: impl FnMut() -> Option<R>,
    ) -> Result<R, TimedOut> {
        let node = Waiter::new();
        let waiter = Enqueued {
            queue: self,
            node: &node,
        };
        loop {
            waiter.enqueue();
            if let Some(value) = condition() {
                waiter.served_before_parking();
                return Ok(value);
            }
            // Dequeued meanwhile: the wake's token may have gone into a sleep inside `condition`.
            if node.state() != QUEUED {
                continue;
            }
            if park(deadline_ns) == Unparked::TimedOut {
                return waiter.time_out(condition());
            }
            if let Some(value) = condition() {
                return Ok(value);
            }
        }
    }

    /// Wakes the thread that has waited longest. Says whether there was one.
    #[inline]
    pub fn wake_one(&self) -> bool {
        self.may_have_waiters() && self.wake_first()
    }

    #[inline(never)]
    fn wake_first(&self) -> bool {
        let sleeper = self.list.lock().pop(WOKEN_ONE, u64::MAX, &self.waiting);
        // Outside the lock: the woken thread may need it at once.
        sleeper.map(|sleeper| sleeper.unpark()).is_some()
    }

    /// Wakes every thread that waits now; returns how many.
    #[inline]
    pub fn wake_all(&self) -> usize {
        match self.may_have_waiters() {
            true => self.wake_present(),
            false => 0,
        }
    }

    #[inline(never)]
    fn wake_present(&self) -> usize {
        let limit = self.list.lock().next_ticket;
        let mut woken = 0;
        // One at a time, so that interrupts are never masked for long. Whoever comes back has a
        // later ticket, so this ends.
        loop {
            let sleeper = self.list.lock().pop(WOKEN_ALL, limit, &self.waiting);
            let Some(sleeper) = sleeper else { return woken };
            sleeper.unpark();
            woken += 1;
        }
    }

    /// How many threads wait: already history.
    pub fn len(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The waker's half of the handshake: everything it did before is visible to whoever
    /// enqueues after this has said no.
    #[inline]
    fn may_have_waiters(&self) -> bool {
        if mutate("waker_unfenced", true, false) {
            fence(Ordering::SeqCst);
        }
        self.waiting.load(Ordering::Relaxed) != 0
    }
}

impl Default for WaitQueue {
    fn default() -> Self {
        WaitQueue::new()
    }
}
/// A node that cannot stay behind in the list, even if the condition panics.
struct Enqueued<'a> {
    queue: &'a WaitQueue,
    node: &'a Waiter,
}

impl Enqueued<'_> {
    /// Puts the node in the list unless it is there.
    fn enqueue(&self) {
        let state = self.node.state();
        if state != QUEUED {
            let sleeper = current();
            let mut list = self.queue.list.lock();
            list.insert(self.node, sleeper, state == WOKEN_ONE);
            self.queue.waiting.store(list.count, Ordering::Relaxed);
        }
        // The sleeper's half of the handshake: the look at the condition comes after the node is
        // in the list, for everyone.
        if mutate("sleeper_unfenced", true, false) {
            fence(Ordering::SeqCst);
        }
    }

    /// The look after queueing gave a value, which owes nothing to a wake. One that chose this
    /// waiter meanwhile is for what has come since, and so for another.
    fn served_before_parking(&self) {
        self.leave();
        if self.node.state() == WOKEN_ONE {
            self.queue.wake_one();
        }
    }

    /// The end of a wait whose deadline has passed, with what the condition said last.
    fn time_out<R>(self, last_word: Option<R>) -> Result<R, TimedOut> {
        if last_word.is_none() {
            self.leave();
            if self.node.state() == WOKEN_ONE && mutate("wake_kept", true, false) {
                self.queue.wake_one();
            }
        }
        last_word.ok_or(TimedOut)
    }

    fn leave(&self) {
        if self.node.state() == QUEUED {
            let mut list = self.queue.list.lock();
            // A waker may have been quicker.
            if self.node.state() == QUEUED {
                list.remove(self.node);
                self.node.state.store(NEW, Ordering::Relaxed);
                self.queue.waiting.store(list.count, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Enqueued<'_> {
    fn drop(&mut self) {
        self.leave();
        // Ours again, which models check.
        self.node.links.with_mut(|_| ());
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
