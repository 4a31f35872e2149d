//! Who gets the lock, and how urgent its owner is meanwhile.

use super::calls::{
    Contender, DIED, TID, WAITERS, Word, become_realtime, contend, futex, lock, own_tid, priority,
    sleeps, unlock, until,
};
use crate::cpus::stay_on;
use crate::harness::{Failure, Outcome, Test};
use nix::errno::Errno;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};
use std::thread;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = &[
    (
        "pi.unlock_hands_over_by_priority",
        unlock_hands_over_by_priority,
    ),
    ("pi.owner_runs_as_its_waiter", owner_runs_as_its_waiter),
    ("pi.chain", chain),
    ("pi.hog_does_not_hold_up", hog_does_not_hold_up),
    ("pi.exit_hands_over", exit_hands_over),
    ("pi.requeued_from_a_condition", requeued_from_a_condition),
];

fn unlock_hands_over_by_priority() -> Outcome {
    let (word, order) = (Arc::new(Word::new(0)), Arc::new(AtomicUsize::new(0)));
    lock(&word)?;
    let contenders: Vec<_> = [10, 30, 20]
        .into_iter()
        .map(|priority| {
            let order = order.clone();
            let then = move || {
                let served = order.load(SeqCst);
                order.store(served * 100 + priority as usize, SeqCst);
            };
            let contender = contend(&word, priority, then);
            contender.settle(&word);
            contender
        })
        .collect();
    unlock(&word)?;
    contenders.into_iter().try_for_each(Contender::end)?;
    ensure_eq!(order.load(SeqCst), 302_010);
    Ok(())
}

fn owner_runs_as_its_waiter() -> Outcome {
    let word = Arc::new(Word::new(0));
    lock(&word)?;
    let before = priority(own_tid())?;
    let contender = contend(&word, 17, || ());
    contender.settle(&word);
    ensure_eq!(priority(own_tid())?, -18);
    let more = contend(&word, 40, || ());
    until(|| priority(own_tid()).is_ok_and(|priority| priority == -41));
    // Its own parameters are what they were.
    // SAFETY: takes numbers.
    ensure_eq!(unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) }, 0);
    unlock(&word)?;
    ensure_eq!(priority(own_tid())?, before);
    contender.end()?;
    more.end()
}

/// A waits for B, B for this thread: what A is worth comes through.
fn chain() -> Outcome {
    let (first, second) = (Arc::new(Word::new(0)), Arc::new(Word::new(0)));
    lock(&first)?;
    let (first_too, second_too) = (first.clone(), second.clone());
    let middle = thread::spawn(move || -> Result<(), Errno> {
        lock(&second_too)?;
        lock(&first_too)?;
        unlock(&first_too)?;
        unlock(&second_too)
    });
    until(|| first.load(SeqCst) & WAITERS != 0);
    let urgent = contend(&second, 33, || ());
    until(|| priority(own_tid()).is_ok_and(|priority| priority == -34));
    unlock(&first)?;
    middle.join().map_err(|_| Failure("it panicked".into()))??;
    urgent.end()
}

/// Real time without a limit as long as this lives: no owner gets to run because a hog must pause.
struct Unlimited(String);

impl Unlimited {
    const PATH: &str = "/proc/sys/kernel/sched_rt_runtime_us";

    fn new() -> Result<Self, Failure> {
        let before = std::fs::read_to_string(Self::PATH)?;
        std::fs::write(Self::PATH, "-1\n")?;
        Ok(Self(before))
    }
}

impl Drop for Unlimited {
    fn drop(&mut self) {
        let _ = std::fs::write(Self::PATH, &self.0);
    }
}

/// One CPU: an ordinary owner, a real-time hog, a more urgent waiter. The waiter is served while
/// the hog still spins.
fn hog_does_not_hold_up() -> Outcome {
    let _unlimited = Unlimited::new()?;
    let word = Arc::new(Word::new(0));
    let [held, ready, served] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
    let (owned, holds) = (word.clone(), held.clone());
    let owner = thread::spawn(move || -> Result<(), Errno> {
        stay_on(0)?;
        lock(&owned)?;
        holds.store(true, SeqCst);
        while owned.load(SeqCst) & WAITERS == 0 {
            std::hint::spin_loop();
        }
        unlock(&owned)
    });
    until(|| held.load(SeqCst));
    let (spins, done) = (served.clone(), word.clone());
    let hog = thread::spawn(move || -> Result<bool, Errno> {
        stay_on(0)?;
        become_realtime(10)?;
        let waiter = {
            let (served, ready) = (spins.clone(), ready.clone());
            thread::spawn(move || -> Result<(), Errno> {
                become_realtime(20)?;
                ready.store(true, SeqCst);
                lock(&done)?;
                served.store(true, SeqCst);
                unlock(&done)
            })
        };
        // From then on it runs before this thread whenever it can.
        until(|| ready.load(SeqCst));
        let begun = Instant::now();
        while !spins.load(SeqCst) && begun.elapsed() < Duration::from_secs(20) {
            std::hint::spin_loop();
        }
        let in_time = spins.load(SeqCst);
        waiter.join().expect("the waiter does not panic")?;
        Ok(in_time)
    });
    let in_time = hog.join().map_err(|_| Failure("it panicked".into()))??;
    owner.join().map_err(|_| Failure("it panicked".into()))??;
    ensure!(in_time);
    Ok(())
}

/// A thread ends with the futex in hand: the waiter has it, and can see that.
fn exit_hands_over() -> Outcome {
    let word = Arc::new(Word::new(0));
    let (taken, go) = (word.clone(), Arc::new(AtomicBool::new(false)));
    let wait = go.clone();
    let owner = thread::spawn(move || {
        let locked = lock(&taken);
        until(|| wait.load(SeqCst));
        locked
    });
    until(|| word.load(SeqCst) != 0);
    let waiter = Arc::new(AtomicU32::new(0));
    let contender = {
        let (word, told) = (word.clone(), waiter.clone());
        thread::spawn(move || {
            told.store(own_tid(), SeqCst);
            (lock(&word), own_tid(), word.load(SeqCst), unlock(&word))
        })
    };
    // With the word marked it need not be in the queue yet: an owner that ended now would be one
    // that does not exist.
    until(|| word.load(SeqCst) & WAITERS != 0 && sleeps(waiter.load(SeqCst)));
    go.store(true, SeqCst);
    owner.join().map_err(|_| Failure("it panicked".into()))??;
    let (locked, tid, seen, unlocked) = contender
        .join()
        .map_err(|_| Failure("it panicked".into()))?;
    ensure_eq!((locked, seen & TID, seen & DIED), (Ok(()), tid, DIED));
    ensure_eq!(unlocked, Ok(()));
    Ok(())
}

fn requeued_from_a_condition() -> Outcome {
    let (condition, mutex) = (Arc::new(Word::new(7)), Arc::new(Word::new(0)));
    let inside = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (condition, mutex, inside) = (condition.clone(), mutex.clone(), inside.clone());
            let tid = Arc::new(AtomicU32::new(0));
            let told = tid.clone();
            let thread = thread::spawn(move || -> Result<(u32, u32), Errno> {
                told.store(own_tid(), SeqCst);
                let operation = libc::FUTEX_WAIT_REQUEUE_PI;
                futex(&*condition, operation, 7, 0, &*mutex, 0)?;
                assert_eq!(inside.fetch_add(1, SeqCst), 0, "two owners");
                let owner = mutex.load(SeqCst) & TID;
                inside.fetch_sub(1, SeqCst);
                unlock(&mutex)?;
                Ok((owner, own_tid()))
            });
            (tid, thread)
        })
        .collect();
    until(|| {
        threads
            .iter()
            .all(|(tid, _)| tid.load(SeqCst) != 0 && sleeps(tid.load(SeqCst)))
    });
    let requeue = |limit| {
        futex(
            &*condition,
            libc::FUTEX_CMP_REQUEUE_PI,
            1,
            limit,
            &*mutex,
            7,
        )
    };
    // The first is given the free mutex; then the rest while it is this thread's.
    let mut moved = requeue(0)?;
    until(|| threads.iter().any(|(_, thread)| thread.is_finished()));
    until(|| mutex.load(SeqCst) & TID == 0);
    lock(&mutex)?;
    moved += requeue(usize::MAX >> 33)?;
    ensure_eq!(moved, 3);
    ensure_eq!(mutex.load(SeqCst), own_tid() | WAITERS);
    unlock(&mutex)?;
    for (_, thread) in threads {
        let (owner, tid) = thread.join().map_err(|_| Failure("it panicked".into()))??;
        ensure_eq!(owner, tid);
    }
    ensure_eq!(mutex.load(SeqCst) & TID, 0);
    Ok(())
}
