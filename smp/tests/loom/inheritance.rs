//! Priority inheritance: lending along a chain against letting go, giving up and queueing.
//!
//! The cast: `a` holds what `b` waits for, `b` holds what `c` waits for. Two model threads play
//! what happens at the same time; the rest is set up before. What is asserted is who has been
//! lent what when all is over.

use loom::sync::Arc;
use loom::thread;
use smp::pi::{Changed, OwnedQueue, Waiter};
use smp::{Params, Policy, Sleeper, sleeper};

use crate::harness::model;

const URGENT: Policy = Policy::Fifo(50);

model!(a_chain_is_followed within 3, pi_chain_stops: "not lent along the chain");
model!(queueing_meets_lending within 3, pi_urgency_read_early: "not lent along the chain");
model!(letting_go_meets_lending within 3, pi_never_returned: "kept what was lent");
model!(giving_up_meets_lending within 3, pi_never_returned: "kept what was lent");
model!(giving_up_meets_handing_over within 3,
    grant_relaxed: "Causality violation");
model!(who_was_named_is_granted within 3, pi_grants_first: "another than the heir");

fn normal() -> Sleeper {
    sleeper(Params::default())
}

fn urgent() -> Sleeper {
    sleeper(Params {
        policy: URGENT,
        nice: 0,
    })
}

/// A lock's queue and the one waiter that the model puts there.
struct Lock {
    queue: OwnedQueue,
    waiter: Waiter,
}

impl Lock {
    fn new(owner: &Sleeper, waiter: &Sleeper) -> Arc<Self> {
        let lock = Self {
            queue: OwnedQueue::new(),
            waiter: Waiter::new(waiter.clone()),
        };
        let _ = lock.queue.lock().set_owner(Some(owner.clone()));
        Arc::new(lock)
    }

    fn queue_up(&self) {
        // SAFETY: both live in the `Arc` to the model's end.
        let changed = unsafe { self.queue.lock().insert(&self.waiter) };
        changed.propagate();
    }

    fn give_up(&self) -> bool {
        let mut queue = self.queue.lock();
        let waits = !self.waiter.is_granted();
        if waits {
            let changed = queue.remove(&self.waiter);
            drop(queue);
            changed.propagate();
        }
        waits
    }

    fn let_go(&self) {
        let mut queue = self.queue.lock();
        let changed = match queue.hand_over(false) {
            Some((_, changed)) => changed,
            None => queue.set_owner(None),
        };
        drop(queue);
        changed.into_iter().for_each(Changed::propagate);
    }
}

fn assert_lent(thread: &Sleeper) {
    let policy = thread.effective_params().policy;
    assert_eq!(policy, URGENT, "not lent along the chain");
}

fn assert_not_lent(thread: &Sleeper) {
    let params = thread.effective_params();
    assert_eq!(params, Params::default(), "kept what was lent");
}

/// Two urgent threads queue up behind two locks of `b`, which waits for `a`.
fn a_chain_is_followed() {
    let (a, b) = (normal(), normal());
    let first = Lock::new(&a, &b);
    first.queue_up();
    let others = [Lock::new(&b, &urgent()), Lock::new(&b, &normal())];
    let other = others[1].clone();
    let queued = thread::spawn(move || other.queue_up());
    others[0].queue_up();
    queued.join().unwrap();
    [&a, &b].into_iter().for_each(assert_lent);
}

/// `b` queues for `a`'s lock while `c` queues for `b`'s.
fn queueing_meets_lending() {
    let (a, b) = (normal(), normal());
    let (first, second) = (Lock::new(&a, &b), Lock::new(&b, &urgent()));
    let queued = first.clone();
    let thread = thread::spawn(move || queued.queue_up());
    second.queue_up();
    thread.join().unwrap();
    [&a, &b].into_iter().for_each(assert_lent);
}

/// `a` hands its lock to `b` while `c` queues for `b`'s.
fn letting_go_meets_lending() {
    let (a, b) = (normal(), normal());
    let (first, second) = (Lock::new(&a, &b), Lock::new(&b, &urgent()));
    first.queue_up();
    let freed = first.clone();
    let thread = thread::spawn(move || freed.let_go());
    second.queue_up();
    thread.join().unwrap();
    assert!(first.waiter.is_granted());
    assert_not_lent(&a);
    assert_lent(&b);
}

/// `b`'s time is over while `c` queues behind it.
fn giving_up_meets_lending() {
    let (a, b) = (normal(), normal());
    let (first, second) = (Lock::new(&a, &b), Lock::new(&b, &urgent()));
    first.queue_up();
    let given_up = first.clone();
    let thread = thread::spawn(move || given_up.give_up());
    second.queue_up();
    assert!(thread.join().unwrap());
    assert_not_lent(&a);
    assert_lent(&b);
}

/// An urgent waiter's time is over as it is handed the lock: one of the two, and what was lent
/// is returned. What the owner wrote under the lock is there for the new one.
fn giving_up_meets_handing_over() {
    let a = normal();
    let lock = Lock::new(&a, &urgent());
    let value = Arc::new(loom::cell::UnsafeCell::new(0));
    lock.queue_up();
    let (freed, written) = (lock.clone(), value.clone());
    let thread = thread::spawn(move || {
        // SAFETY: the owner's until it lets go; loom checks.
        written.with_mut(|value| unsafe { *value = 1 });
        freed.let_go();
    });
    if lock.waiter.is_granted() || !lock.give_up() {
        // SAFETY: the lock was handed over; loom checks.
        assert_eq!(value.with(|value| unsafe { *value }), 1);
    }
    thread.join().unwrap();
    assert_not_lent(&a);
}

/// The owner names the first of two waiters in the lock's word, then hands it over, while another
/// thread becomes the first.
fn who_was_named_is_granted() {
    let (a, b, c) = (normal(), normal(), normal());
    let other = Waiter::new(c.clone());
    let lock = Lock::new(&a, &b);
    lock.queue_up();
    // SAFETY: the waiter outlives the queue.
    let changed = unsafe { lock.queue.lock().insert(&other) };
    changed.propagate();
    let second = Lock::new(&c, &urgent());
    let lent = second.clone();
    let thread = thread::spawn(move || lent.queue_up());
    let heir = lock.queue.lock().first().unwrap().thread().clone();
    let handed = lock.queue.lock().hand_over_to(&heir);
    let (granted, changed) = handed.unwrap();
    changed.into_iter().for_each(Changed::propagate);
    thread.join().unwrap();
    let named = if heir == b { &lock.waiter } else { &other };
    assert!(named.is_granted(), "another than the heir");
    assert!(granted == heir);
}
