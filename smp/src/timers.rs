//! Timers: callbacks at a moment of monotonic time, on the CPU that armed them.
//!
//! Each CPU has a queue behind a spin lock; the earliest deadline of the calling CPU's queue goes
//! to the scheduler, which drives the one hardware timer. Lock order: a timer's own `arming` lock,
//! then a queue. A callback runs under neither, interrupts masked, and may arm its timer again.

use crate::spinlock::SpinLock;
use crate::sync::{AtomicUsize, Ordering, mutate};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::AtomicU64;
use machine::{home, queue_of, set_alarm};
use percpu::CpuId;

#[cfg(not(loom))]
mod machine;
#[cfg(loom)]
#[path = "timers/model.rs"]
pub mod machine;

/// The most timers that one interrupt runs: any number may be due at once, and something more urgent
/// must not wait for them all.
const MAX_EXPIRED: usize = 16;

/// Pending timers, earliest first; the number tells equal deadlines apart.
pub struct Queue(BTreeMap<Key, Arc<Inner>>);

/// Deadline, number of the arming.
type Key = (u64, u64);

impl Queue {
    const EMPTY: Self = Queue(BTreeMap::new());

    fn earliest_ns(&self) -> Option<u64> {
        self.0.first_key_value().map(|(&(deadline, _), _)| deadline)
    }
}

/// A timer. Dropping it disarms it (a callback that is already running finishes).
pub struct Timer {
    inner: Arc<Inner>,
}

pub struct Inner {
    callback: Box<dyn Fn() + Send + Sync>,
    /// Where it is armed: the queue and its key there. Stale once it has fired.
    arming: SpinLock<Option<(CpuId, Key)>>,
    /// How many CPUs run the callback: it may be armed, and fire, elsewhere while one still does.
    running: AtomicUsize,
}

impl Timer {
    /// A timer that is not armed. `callback` runs in interrupt context: it may wake and record.
    pub fn new(callback: impl Fn() + Send + Sync + 'static) -> Timer {
        let callback = Box::new(callback);
        Timer {
            inner: Arc::new(Inner {
                callback,
                arming: SpinLock::new(None),
                running: AtomicUsize::new(0),
            }),
        }
    }

    /// Fires at `deadline_ns`, at once if that is past; replaces an earlier arming. Any context.
    pub fn arm(&self, deadline_ns: u64) {
        Inner::arm(&self.inner, deadline_ns);
    }

    /// Disarms; says whether it was armed. The callback may be running on another CPU.
    pub fn cancel(&self) -> bool {
        self.inner.disarm(&mut self.inner.arming.lock())
    }

    /// Disarms and sees a callback on another CPU out. Not from the callback itself, and not with
    /// a lock that the callback takes.
    pub fn cancel_and_wait(&self) -> bool {
        let mut was_armed = self.cancel();
        while self.inner.running.load(Ordering::Acquire) != 0 {
            crate::sync::spin_hint();
            // It may have armed itself again.
            was_armed |= self.cancel();
        }
        was_armed
    }

    /// When it will fire, if it is armed.
    pub fn deadline_ns(&self) -> Option<u64> {
        let arming = self.inner.arming.lock();
        let (cpu, key) = (*arming)?;
        queue_of(cpu).lock().0.contains_key(&key).then_some(key.0)
    }

    pub fn is_armed(&self) -> bool {
        self.deadline_ns().is_some()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl Inner {
    fn arm(this: &Arc<Inner>, deadline_ns: u64) {
        Self::move_here(this, &mut this.arming.lock(), deadline_ns);
    }

    /// Arms on the calling CPU a timer that may be armed elsewhere.
    fn move_here(this: &Arc<Inner>, arming: &mut Option<(CpuId, Key)>, deadline_ns: u64) {
        static ARMINGS: AtomicU64 = AtomicU64::new(0);
        let key = (deadline_ns, ARMINGS.fetch_add(1, Ordering::Relaxed));
        this.disarm(arming);
        let home = home();
        *arming = Some((home, key));
        let mut queue = queue_of(home).lock();
        queue.0.insert(key, this.clone());
        if queue.earliest_ns() == Some(deadline_ns) {
            set_alarm(deadline_ns);
        }
    }

    fn disarm(&self, arming: &mut Option<(CpuId, Key)>) -> bool {
        let Some((cpu, key)) = arming.take() else {
            return false;
        };
        // An interrupt for nothing may come at the old deadline; that is cheaper than telling.
        let removed = queue_of(cpu).lock().0.remove(&key);
        removed.is_some()
    }
}

/// Runs the calling CPU's timers that are due at `now_ns`, the first few of them; returns the next
/// deadline, which is past if there are more.
///
/// Called by the scheduler's timer interrupt with IRQs masked; a queue whose earliest deadline
/// changes otherwise reports it through `runtime().set_timer_deadline`.
pub fn run_expired(now_ns: u64) -> Option<u64> {
    let queue = queue_of(home());
    let mut left = MAX_EXPIRED;
    loop {
        let mut pending = queue.lock();
        match pending.earliest_ns() {
            Some(deadline) if deadline <= now_ns && left > 0 => left -= 1,
            next => return next,
        }
        let (_, timer) = pending.0.pop_first()?;
        // Under the lock, so that whoever finds the timer gone from the queue sees it run.
        if mutate("timer_begins_late", true, false) {
            timer.running.fetch_add(1, Ordering::Relaxed);
        }
        drop(pending);
        if mutate("timer_begins_late", false, true) {
            timer.running.fetch_add(1, Ordering::Relaxed);
        }
        (timer.callback)();
        let order = mutate("timer_ends_relaxed", Ordering::Release, Ordering::Relaxed);
        if mutate("timer_runs_once", true, false) {
            timer.running.fetch_sub(1, order);
        } else {
            timer.running.store(0, order);
        }
    }
}

/// Moves the timers of `cpu`, which has stopped, to the calling CPU. Thread context.
pub fn take_over(cpu: CpuId) {
    let first = || {
        let queue = queue_of(cpu).lock();
        let (key, timer) = queue.0.first_key_value()?;
        Some((*key, timer.clone()))
    };
    while let Some((key, timer)) = first() {
        // Under the timer's own lock, so that nobody finds it disarmed in between. Whoever armed
        // or cancelled it since has taken it off that queue.
        let mut arming = timer.arming.lock();
        if *arming == Some((cpu, key)) || mutate("hop_unasked", false, true) {
            Inner::move_here(&timer, &mut arming, key.0);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{WaitQueue, now_ns};
    use core::sync::atomic::AtomicUsize;

    const MS: u64 = 1_000_000;

    fn counting() -> (Arc<(AtomicUsize, WaitQueue)>, Timer) {
        let fired = Arc::new((AtomicUsize::new(0), WaitQueue::new()));
        let seen = fired.clone();
        let timer = Timer::new(move || {
            seen.0.fetch_add(1, Ordering::SeqCst);
            seen.1.wake_all();
        });
        (fired, timer)
    }

    fn wait_for(fired: &(AtomicUsize, WaitQueue), count: usize) {
        fired
            .1
            .wait(|| (fired.0.load(Ordering::SeqCst) >= count).then_some(()));
    }

    #[test]
    fn fires_once_and_not_early() {
        let (fired, timer) = counting();
        let far = now_ns() + 60_000 * MS;
        timer.arm(far);
        assert_eq!(timer.deadline_ns(), Some(far));
        let deadline = now_ns() + 5 * MS;
        timer.arm(deadline);
        wait_for(&fired, 1);
        assert!(now_ns() >= deadline);
        assert!(!timer.is_armed() && !timer.cancel());
    }

    #[test]
    fn cancelled_and_replaced_armings_do_not_fire() {
        let (fired, timer) = counting();
        timer.arm(now_ns() + 60_000 * MS);
        assert!(timer.cancel_and_wait());
        timer.arm(now_ns() + 60_000 * MS);
        timer.arm(now_ns() + MS);
        wait_for(&fired, 1);
        assert!(!timer.is_armed());
        assert_eq!(fired.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_callback_may_arm_its_own_timer() {
        let (fired, timer) = counting();
        let slot = Arc::new(spin::Once::<Timer>::new());
        let (own, seen) = (Arc::downgrade(&slot), fired.clone());
        let periodic = Timer::new(move || {
            let count = seen.0.fetch_add(1, Ordering::SeqCst) + 1;
            if let Some(timer) = own.upgrade().as_ref().and_then(|slot| slot.get())
                && count < 3
            {
                timer.arm(now_ns() + MS);
            }
            seen.1.wake_all();
        });
        drop(timer);
        slot.call_once(|| periodic).arm(now_ns());
        wait_for(&fired, 3);
        assert!(!slot.get().unwrap().cancel_and_wait());
    }

    #[test]
    fn a_dropped_timer_leaves_the_queue() {
        let (_, timer) = counting();
        timer.arm(now_ns() + 60_000 * MS);
        let callback = Arc::downgrade(&timer.inner);
        drop(timer);
        assert!(callback.upgrade().is_none(), "the queue still has it");
    }
}
