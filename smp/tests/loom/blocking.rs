//! Spin lock, wait queue, mutex, reader-writer lock, observers.

use crate::harness::model;
use loom::sync::Arc;
use loom::sync::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Relaxed},
};
use loom::thread;
use smp::{
    Condvar, Event, Mutex, Observer, Observers, RwLock, Semaphore, SpinLock, Timeout, Unsignal,
    WaitQueue,
};
const RACE: &str = "Causality violation";
const LOST: &str = "deadlock";

model!(spin_lock_excludes within 3, lock_relaxed: RACE, unlock_relaxed: RACE);
model!(no_wake_is_lost within 3, waker_unfenced: LOST, sleeper_unfenced: LOST);
model!(a_wake_is_passed_on within 1, wake_kept: LOST);
model!(the_node_comes_back within 3, hand_back_relaxed: RACE);
model!(mutex_excludes_and_wakes within 3, mutex_unmarked: LOST, mutex_unlock_relaxed: RACE);
model!(writers_follow_a_writer within 1, rw_writer_forgets: LOST, rw_unlock_relaxed: RACE);
model!(readers_follow_a_writer within 1, rw_reader_keeps_wake: LOST);
model!(writers_follow_readers within 1, rw_reader_leaves_silently: LOST);
model!(observers_miss_nothing within 3, observer_unfenced: "missed", notifier_unfenced: "missed");

model!(semaphore_hands_over within 3, semaphore_post_relaxed: RACE, semaphore_wakes_first: LOST);
model!(a_pulse_releases_who_waits within 3, event_round_unseen: LOST);
model!(signal_meets_timeout within 3, event_grant_dropped: "signals piled up");
model!(notify_meets_wait within 3, condvar_looks_late: LOST);

/// What was written before a post is there after the wait that took the permit.
fn semaphore_hands_over() {
    let shared = Arc::new((Semaphore::new(0), loom::cell::UnsafeCell::new(0)));
    let other = shared.clone();
    let thread = thread::spawn(move || {
        // SAFETY: nobody else until the post; loom checks.
        other.1.with_mut(|value| unsafe { *value = 7 });
        other.0.post();
    });
    shared.0.wait(Timeout::Never).unwrap();
    // SAFETY: the permit was handed over; loom checks.
    assert_eq!(shared.1.with(|value| unsafe { *value }), 7);
    thread.join().unwrap();
}

/// A manual event that is signalled and at once unsignalled releases whoever had come before.
fn a_pulse_releases_who_waits() {
    let event = Arc::new(Event::new(Unsignal::Manual, false));
    let other = event.clone();
    let thread = thread::spawn(move || {
        // Only a thread that already waits is owed anything.
        if other.waiters() == 1 {
            other.signal();
            other.unsignal();
        } else {
            other.signal();
        }
    });
    event.wait(Timeout::Never).unwrap();
    thread.join().unwrap();
}

/// A signal meets a waiter whose time is over: one of the two has it, and a second signal lets
/// just one more through.
fn signal_meets_timeout() {
    let event = Arc::new(Event::new(Unsignal::Auto, false));
    let other = event.clone();
    let thread = thread::spawn(move || other.signal());
    let taken = event.wait(Timeout::After(0)).is_ok();
    thread.join().unwrap();
    event.signal();
    let left = (0..3).filter(|_| event.wait(Timeout::Now).is_ok()).count();
    assert_eq!(left, 1, "signals piled up, taken before: {taken}");
}

fn notify_meets_wait() {
    let shared = Arc::new((Mutex::new(false), Condvar::new()));
    let other = shared.clone();
    let thread = thread::spawn(move || {
        *other.0.lock() = true;
        other.1.notify_one();
    });
    drop(shared.1.wait_while(shared.0.lock(), |done| !*done));
    thread.join().unwrap();
}

/// The value behind the lock is not atomic: loom reports a race if the orderings are too weak.
fn spin_lock_excludes() {
    let lock = Arc::new(SpinLock::new(0));
    let other = lock.clone();
    let thread = thread::spawn(move || *other.lock() += 1);
    *lock.lock() += 1;
    thread.join().unwrap();
    assert_eq!(*lock.lock(), 2);
}

/// The condition is a relaxed store, so only the queue's own fences bring it across. A lost wake
/// is a deadlock, which loom reports.
fn no_wake_is_lost() {
    let shared = Arc::new((WaitQueue::new(), AtomicUsize::new(0)));
    let waker = shared.clone();
    let thread = thread::spawn(move || {
        waker.1.store(1, Relaxed);
        waker.0.wake_one();
    });
    shared
        .0
        .wait(|| (shared.1.load(Relaxed) == 1).then_some(()));
    thread.join().unwrap();
}

/// A wake meets a timeout: the sleeper may return, and its stack go away, only when the waker has
/// let go of the node.
fn the_node_comes_back() {
    let shared = Arc::new((WaitQueue::new(), AtomicUsize::new(0)));
    let waker = shared.clone();
    let thread = thread::spawn(move || {
        waker.1.store(1, Relaxed);
        waker.0.wake_one();
    });
    // A deadline in a model is always over.
    let _ = shared
        .0
        .wait_until(Some(0), || (shared.1.load(Relaxed) == 1).then_some(()));
    thread.join().unwrap();
    assert!(shared.0.is_empty());
}

/// One wake for two waiters, the first of whom gives up at that moment: the other must have it.
/// The others come when the first one is in the queue, which leaves fewer schedules to search.
fn a_wake_is_passed_on() {
    let shared = Arc::new((WaitQueue::new(), AtomicUsize::new(0)));
    let take = |permits: &AtomicUsize| {
        let taken = permits.compare_exchange(1, 0, AcqRel, Relaxed);
        taken.ok().map(|_| ())
    };
    let (mut looks, mut others) = (0, None);
    let condition = || {
        looks += 1;
        if looks == 2 {
            let (waker, patient) = (shared.clone(), shared.clone());
            let patient = thread::spawn(move || patient.0.wait(|| take(&patient.1)));
            let waker = thread::spawn(move || {
                waker.1.store(1, Relaxed);
                waker.0.wake_one();
            });
            others = Some([patient, waker]);
            thread::yield_now();
        }
        take(&shared.1)
    };
    // A deadline in a model is always over.
    if shared.0.wait_until(Some(0), condition).is_ok() {
        shared.1.store(1, Relaxed);
        shared.0.wake_one();
    }
    let others = others.expect("the condition was looked at when queued");
    others.into_iter().for_each(|other| other.join().unwrap());
    assert!(shared.0.is_empty());
}

fn mutex_excludes_and_wakes() {
    let mutex = Arc::new(Mutex::new(0));
    let other = mutex.clone();
    let thread = thread::spawn(move || *other.lock() += 1);
    *mutex.lock() += 1;
    thread.join().unwrap();
    assert_eq!(*mutex.lock(), 2);
}

/// Two writers sleep behind one who wakes only the first of them: that one wakes the other.
fn writers_follow_a_writer() {
    let lock = Arc::new(RwLock::new(0));
    let held = lock.write();
    let others = [lock.clone(), lock.clone()].map(|lock| thread::spawn(move || *lock.write() += 1));
    thread::yield_now();
    drop(held);
    others.into_iter().for_each(|other| other.join().unwrap());
    assert_eq!(*lock.read(), 2);
}

/// The same for two readers.
fn readers_follow_a_writer() {
    let lock = Arc::new(RwLock::new(0));
    let mut held = lock.write();
    *held = 7;
    let others =
        [lock.clone(), lock.clone()].map(|lock| thread::spawn(move || assert_eq!(*lock.read(), 7)));
    thread::yield_now();
    drop(held);
    others.into_iter().for_each(|other| other.join().unwrap());
}

/// A writer waits for two readers that leave in any order, and for another writer.
fn writers_follow_readers() {
    let lock = Arc::new(RwLock::new(0));
    let held = lock.read();
    let other = lock.clone();
    let reader = thread::spawn(move || drop(other.read()));
    let other = lock.clone();
    let writer = thread::spawn(move || *other.write() += 1);
    thread::yield_now();
    drop(held);
    *lock.write() += 1;
    reader.join().unwrap();
    writer.join().unwrap();
    assert_eq!(*lock.read(), 2);
}

struct Heard(AtomicUsize);

impl Observer for Heard {
    fn notify(&self, events: u32) {
        self.0.fetch_or(events as usize, Relaxed);
    }
}

/// Whoever registers and then looks either sees the readiness or is told of it.
fn observers_miss_nothing() {
    let shared = Arc::new((Observers::new(), AtomicUsize::new(0)));
    let file = shared.clone();
    let thread = thread::spawn(move || {
        file.1.store(1, Relaxed);
        file.0.notify(1);
    });
    let heard = std::sync::Arc::new(Heard(AtomicUsize::new(0)));
    shared.0.add(heard.clone());
    let saw = shared.1.load(Relaxed);
    thread.join().unwrap();
    assert!(saw == 1 || heard.0.load(Relaxed) == 1, "missed readiness");
}
