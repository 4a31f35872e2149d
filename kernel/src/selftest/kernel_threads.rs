//! Kernel threads with handles, and what they wait on, on real CPUs.

use super::{Outcome, check};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use smp::kthread::{self, JoinError, Priority, Slot};
use smp::{Condvar, Event, KernelThread, Mutex, Semaphore, Timeout, Unsignal};

fn thread(entry: impl FnOnce() -> i32 + Send + 'static) -> Result<KernelThread, &'static str> {
    kthread::spawn("selftest", entry).map_err(|_| "no memory for a thread")
}

/// Suspended, resumed, joined with and without a limit, detached, pinned.
pub fn handles() -> Outcome {
    const SLOT: Slot = Slot::new(2);
    let gate = Arc::new(Event::new(Unsignal::Manual, false));
    let opened = gate.clone();
    let body = move || {
        let empty = SLOT.replace(7) == 0;
        let waited = opened.wait(Timeout::Never).is_ok();
        if empty && waited && SLOT.get() == 7 {
            kthread::exit(42)
        }
        1
    };
    let worker = KernelThread::create("suspended", Priority::HIGH, body);
    let worker = worker.map_err(|_| "no memory for a thread")?;
    let timed_out = Err(JoinError::TimedOut);
    check(
        worker.join(Timeout::ms(1)) == timed_out,
        "it ran before it was resumed",
    )?;
    let last = smp::online_cpus().iter().last();
    worker.pin(last).map_err(|_| "an online CPU was refused")?;
    check(worker.resume() && !worker.resume(), "resumed not just once")?;
    check(
        worker.join(Timeout::ms(5)) == timed_out,
        "it ended too early",
    )?;
    check(
        worker.join(Timeout::Now) == timed_out,
        "a join without time waited",
    )?;
    worker.set_realtime(true);
    gate.signal();
    check(
        worker.join(Timeout::Never) == Ok(42),
        "the exit code is wrong",
    )?;
    check(Some(worker.thread().cpu()) == last, "it ran on another CPU")?;
    let used = thread(|| 0)?;
    let stack = used.thread().stack_used();
    check(stack.is_none_or(|used| used > 0), "no stack was used")?;
    used.detach();
    check(
        used.join(Timeout::Never) == Err(JoinError::Detached),
        "joined though detached",
    )
}

/// An event for each signal, permits that count, a buffer with room for one.
pub fn waiting() -> Outcome {
    const ROUNDS: usize = 500;
    let threads = smp::online_cpus().count() + 2;
    let shared = Arc::new((Event::new(Unsignal::Auto, false), Semaphore::new(0)));
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let spawn = |_| {
        let (shared, inside, most) = (shared.clone(), inside.clone(), most.clone());
        thread(move || {
            for _ in 0..ROUNDS {
                if shared.1.wait(Timeout::Never).is_err() {
                    return 1;
                }
                most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                inside.fetch_sub(1, SeqCst);
                shared.0.signal();
                shared.1.post();
            }
            0
        })
    };
    let workers: Vec<_> = (0..threads).map(spawn).collect::<Result<_, _>>()?;
    shared.1.post();
    shared.1.post();
    for worker in workers {
        check(
            worker.join(Timeout::Never) == Ok(0),
            "a wait without a limit timed out",
        )?;
    }
    check(most.load(SeqCst) <= 2, "more threads than permits")?;
    check(
        shared.0.wait(Timeout::Now).is_ok(),
        "the last signal is gone",
    )?;
    check(
        shared.0.wait(Timeout::After(100_000)).is_err(),
        "a signal came twice",
    )?;
    one_at_a_time(ROUNDS)
}

/// Producer and consumer over a mutex and a condition variable.
fn one_at_a_time(rounds: usize) -> Outcome {
    let shared = Arc::new((Mutex::new(None), Condvar::new()));
    let source = shared.clone();
    let producer = thread(move || {
        for number in 0..rounds {
            let full = |place: &mut Option<usize>| place.is_some();
            *source.1.wait_while(source.0.lock(), full) = Some(number);
            source.1.notify_all();
        }
        0
    })?;
    for expected in 0..rounds {
        let mut place = shared
            .1
            .wait_while(shared.0.lock(), |place| place.is_none());
        check(place.take() == Some(expected), "out of order")?;
        drop(place);
        shared.1.notify_all();
    }
    check(
        producer.join(Timeout::Never) == Ok(0),
        "the producer failed",
    )
}
