use super::*;
use crate::params::Params;
use crate::spec::Policy;
use crate::testing::{in_threads, until};
use alloc::sync::Arc;
use core::sync::atomic::AtomicBool;

#[test]
fn excludes_and_sleeps() {
    let rounds = if cfg!(miri) { 20 } else { 2_000 };
    let mutex = Arc::new(Mutex::new((0, false)));
    let shared = mutex.clone();
    let threads = in_threads(4, move || {
        for _ in 0..rounds {
            let mut value = shared.lock();
            assert!(!core::mem::replace(&mut value.1, true));
            std::thread::yield_now();
            value.0 += 1;
            value.1 = false;
        }
    });
    threads.join();
    assert_eq!(*mutex.lock(), (4 * rounds, false));
    assert!(mutex.queue.lock().is_empty());
}

#[test]
fn try_lock_says_no() {
    let mutex = Mutex::new(());
    let held = mutex.try_lock();
    assert!(held.is_some() && mutex.try_lock().is_none());
    drop(held);
    assert!(mutex.try_lock().is_some());
}

#[test]
fn a_mutex_is_no_part_of_a_circle_of_user_locks() {
    let mutex = Arc::new(Mutex::new(()));
    let held = mutex.lock();
    let (shared, (sender, receiver)) = (mutex.clone(), std::sync::mpsc::channel());
    let threads = in_threads(1, move || {
        let _ = sender.send(current());
        drop(shared.lock());
    });
    let waiter = receiver.recv().expect("it says who it is");
    until(|| !mutex.queue.lock().is_empty());
    assert!(!crate::pi::leads_back(&waiter, &current()));
    drop(held);
    threads.join();
}

#[test]
fn a_limit_ends_the_wait_and_the_loan() {
    let mutex = Arc::new(Mutex::new(()));
    let held = mutex.lock();
    let holder = current();
    let seen = Arc::new(AtomicBool::new(false));
    let (shared, enough) = (mutex.clone(), seen.clone());
    let threads = in_threads(1, move || {
        current().set_nice(-7);
        let mut timed_out = true;
        while !enough.load(Ordering::Relaxed) {
            timed_out &= shared.lock_for(Timeout::ms(5)).is_err();
        }
        (timed_out, shared.lock_for(Timeout::Now).is_err())
    });
    until(|| holder.effective_params().nice == -7);
    seen.store(true, Ordering::Relaxed);
    assert_eq!(threads.join(), [(true, true)]);
    assert_eq!(holder.effective_params(), Params::default());
    drop(held);
    assert!(mutex.lock_for(Timeout::Now).is_ok());
    assert!(!mutex.is_locked());
}

#[test]
fn the_holder_inherits_until_it_lets_go() {
    let mutex = Arc::new(Mutex::new(()));
    let held = mutex.lock();
    let holder = current();
    let shared = mutex.clone();
    let threads = in_threads(2, move || {
        let policy = Policy::Fifo(30 + (crate::current_id().tid % 2) as u8);
        current().set_policy(policy);
        let guard = shared.lock();
        let inherited = current().effective_params();
        drop(guard);
        (
            inherited.policy,
            current().effective_params().policy == policy,
        )
    });
    until(|| mutex.queue.lock().len() == 2);
    assert!(holder.effective_params().priority() >= 30);
    assert_eq!(holder.params(), Params::default());
    drop(held);
    assert_eq!(holder.effective_params(), Params::default());
    for (inherited, own_again) in threads.join() {
        assert!(matches!(inherited, Policy::Fifo(30 | 31)) && own_again);
    }
    assert!(!mutex.is_locked() && mutex.queue.lock().owner().is_none());
}

#[test]
fn a_realtime_waiter_is_handed_the_mutex() {
    let mutex = Arc::new(Mutex::new(0));
    let mut held = mutex.lock();
    let shared = mutex.clone();
    let threads = in_threads(1, move || {
        current().set_policy(Policy::Fifo(5));
        *shared.lock()
    });
    until(|| mutex.queue.lock().len() == 1);
    *held = 1;
    drop(held);
    // Not free in between, so this thread cannot be first.
    *mutex.lock() = 2;
    assert_eq!(threads.join(), [1]);
}

#[test]
fn urgency_goes_along_a_chain() {
    let (first, second) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
    let held = first.lock();
    let (first_too, second_too) = (first.clone(), second.clone());
    let middle = in_threads(1, move || {
        let _second = second_too.lock();
        let _first = first_too.lock();
        current().effective_params().policy
    });
    until(|| first.queue.lock().len() == 1);
    let second_too = second.clone();
    let urgent = in_threads(1, move || {
        current().set_policy(Policy::Fifo(60));
        drop(second_too.lock());
    });
    until(|| current().effective_params().policy == Policy::Fifo(60));
    drop(held);
    assert_eq!(current().effective_params(), Params::default());
    assert_eq!(middle.join(), [Policy::Fifo(60)]);
    urgent.join();
}

#[test]
fn a_waiter_that_becomes_more_urgent_lends_more() {
    let mutex = Arc::new(Mutex::new(()));
    let held = mutex.lock();
    let shared = mutex.clone();
    let (send, receive) = std::sync::mpsc::channel();
    let threads = in_threads(1, move || {
        send.send(current()).unwrap();
        drop(shared.lock());
    });
    let waiter = receive.recv().unwrap();
    until(|| mutex.queue.lock().len() == 1);
    waiter.set_nice(-11);
    assert_eq!(current().effective_params().nice, -11);
    waiter.set_nice(11);
    assert_eq!(current().effective_params().nice, 0);
    drop(held);
    threads.join();
}
