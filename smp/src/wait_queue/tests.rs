use super::*;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::AtomicUsize as Plain;
use std::sync::Mutex as StdMutex;
use std::thread;

const SOON_NS: u64 = 5_000_000;

fn until(queue: &WaitQueue, waiting: usize) {
    while queue.len() != waiting {
        thread::yield_now();
    }
}

#[test]
fn an_empty_queue_wakes_nobody() {
    let queue = WaitQueue::new();
    assert!(!queue.wake_one());
    assert_eq!(queue.wake_all(), 0);
    assert_eq!(queue.wait(|| Some(3)), 3);
}

#[test]
fn wake_one_is_first_come_first_served() {
    let queue = Arc::new(WaitQueue::new());
    let (tickets, order) = (Arc::new(Plain::new(0)), Arc::new(StdMutex::new(Vec::new())));
    let mut threads = Vec::new();
    for index in 0..4 {
        let (queue2, tickets, order) = (queue.clone(), tickets.clone(), order.clone());
        let looks = Arc::new(Plain::new(0));
        let looks2 = looks.clone();
        threads.push(thread::spawn(move || {
            let take = |left: usize| left.checked_sub(1);
            queue2.wait(|| {
                let ticket = tickets.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
                looks2.fetch_add(1, Ordering::SeqCst);
                ticket.ok()
            });
            order.lock().unwrap().push(index);
        }));
        // Its second look comes after it has queued: from then on only a wake makes it look again.
        while looks.load(Ordering::SeqCst) < 2 {
            thread::yield_now();
        }
        assert_eq!(queue.len(), index + 1);
    }
    for served in 1..=4 {
        tickets.fetch_add(1, Ordering::SeqCst);
        assert!(queue.wake_one());
        while order.lock().unwrap().len() < served {
            thread::yield_now();
        }
    }
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
    assert!(queue.is_empty());
}

#[test]
fn wake_all_wakes_all() {
    let queue = Arc::new(WaitQueue::new());
    let open = Arc::new(Plain::new(0));
    let threads: Vec<_> = (0..5)
        .map(|_| {
            let (queue, open) = (queue.clone(), open.clone());
            thread::spawn(move || queue.wait(|| (open.load(Ordering::SeqCst) == 1).then_some(())))
        })
        .collect();
    until(&queue, 5);
    open.store(1, Ordering::SeqCst);
    queue.wake_all();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_deadline_ends_the_wait_and_leaves_no_node() {
    let queue = WaitQueue::new();
    let deadline = crate::now_ns() + SOON_NS;
    assert_eq!(
        queue.wait_until(Some(deadline), || None::<()>),
        Err(TimedOut)
    );
    assert!(crate::now_ns() >= deadline);
    assert!(queue.is_empty());
}

#[test]
fn the_condition_has_the_last_word() {
    let queue = WaitQueue::new();
    let deadline = crate::now_ns() + SOON_NS;
    let late = || (crate::now_ns() >= deadline).then_some("just in time");
    assert_eq!(queue.wait_until(Some(deadline), late), Ok("just in time"));
}

#[test]
fn a_panicking_condition_leaves_no_node() {
    let queue = WaitQueue::new();
    let mut looks = 0;
    let wait = std::panic::AssertUnwindSafe(|| {
        queue.wait(|| {
            looks += 1;
            assert!(looks < 2);
            None::<()>
        })
    });
    assert!(std::panic::catch_unwind(wait).is_err());
    assert!(queue.is_empty());
}

/// Two threads pass a ball; a lost wake would hang, a broken list would crash.
#[test]
fn ping_pong() {
    let rounds = if cfg!(miri) { 50 } else { 5_000 };
    let shared = Arc::new((WaitQueue::new(), WaitQueue::new(), Plain::new(0)));
    let other = shared.clone();
    let player = thread::spawn(move || {
        for round in 0..rounds {
            other
                .0
                .wait(|| (other.2.load(Ordering::SeqCst) == 2 * round + 1).then_some(()));
            other.2.store(2 * round + 2, Ordering::SeqCst);
            other.1.wake_one();
        }
    });
    for round in 0..rounds {
        shared.2.store(2 * round + 1, Ordering::SeqCst);
        shared.0.wake_one();
        shared
            .1
            .wait(|| (shared.2.load(Ordering::SeqCst) == 2 * round + 2).then_some(()));
    }
    player.join().unwrap();
}

/// Timeouts race with wakes: every ticket is taken although half of the waiters give up.
#[test]
fn a_wake_that_hits_a_timeout_is_passed_on() {
    let tickets_total = if cfg!(miri) { 20 } else { 2_000 };
    let shared = Arc::new((WaitQueue::new(), Plain::new(0), Plain::new(0)));
    let threads: Vec<_> = (0..4)
        .map(|index| {
            let shared = shared.clone();
            thread::spawn(move || {
                let (queue, tickets, taken) = &*shared;
                while taken.load(Ordering::SeqCst) < tickets_total {
                    let patience = if index % 2 == 0 { 20_000 } else { 50_000_000 };
                    let deadline = Some(crate::now_ns() + patience);
                    let take = |left: usize| left.checked_sub(1);
                    let got = queue.wait_until(deadline, || {
                        tickets
                            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
                            .ok()
                    });
                    taken.fetch_add(got.is_ok().into(), Ordering::SeqCst);
                }
            })
        })
        .collect();
    for _ in 0..tickets_total {
        shared.1.fetch_add(1, Ordering::SeqCst);
        shared.0.wake_one();
    }
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert_eq!(shared.1.load(Ordering::SeqCst), 0);
    assert!(shared.0.is_empty());
}

/// A waiter that finds its unit by looking after it has queued may be chosen by a wake for the next
/// unit, which is then another waiter's.
#[test]
fn a_wake_that_hits_a_served_waiter_is_passed_on() {
    let shared = Arc::new((WaitQueue::new(), Plain::new(0), Plain::new(0)));
    let deadline = crate::now_ns() + 20_000_000_000;
    let (mut served, mut other) = (false, None);
    shared.0.wait(|| {
        if !core::mem::replace(&mut served, true) {
            return None;
        }
        // Queued by now, and served. Another thread queues behind it and sleeps...
        let behind = shared.clone();
        other = Some(thread::spawn(move || {
            let (queue, units, looks) = &*behind;
            queue.wait_until(Some(deadline), || {
                looks.fetch_add(1, Ordering::SeqCst);
                (units.load(Ordering::SeqCst) > 0).then(crate::now_ns)
            })
        }));
        while shared.2.load(Ordering::SeqCst) < 2 {
            thread::yield_now();
        }
        // ...and the wake for its unit comes to the first in the queue.
        shared.1.store(1, Ordering::SeqCst);
        assert!(shared.0.wake_one());
        Some(())
    });
    let woken_at = other.unwrap().join().unwrap().unwrap();
    assert!(woken_at < deadline, "slept beside its unit");
}
