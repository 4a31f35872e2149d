//! Machines of more than one group, which have a level above the masks.

use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};
use loom::thread;
use smp::{Above, Runtime, ThreadRef};
use std::sync::Arc;

use crate::harness::model;
use crate::machine::Machine;

const LOST: &str = "lost";

model!(a_member_is_never_overlooked within 4,
    appear_fence: LOST, forget_fence: LOST, forget_for_good: LOST,
    doubt_unseen: LOST, doubt_shared: LOST, doubt_ends_early: LOST);
model!(forgetting_meets_offer within 3,
    appear_fence: LOST, forget_fence: LOST);
model!(forgetting_meets_search within 2, forget_for_good: LOST, kick_kept: LOST);

/// A member appears in a group that two searchers find empty and forget. Whoever looks after it
/// appeared must find the group worth a look, at any moment.
fn a_member_is_never_overlooked() {
    let words = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    Above::new(&words[1], 0).appeared(); // It has left again.
    let searchers = [0, 1].map(|_| {
        let words = words.clone();
        thread::spawn(move || {
            let look = || words[0].load(Relaxed);
            if look() == 0 {
                Above::new(&words[1], 0).forget(look);
            }
        })
    });
    let above = Above::new(&words[1], 0);
    words[0].fetch_or(1, Relaxed);
    above.appeared();
    assert!(above.may_have(), "lost: a search would overlook it");
    searchers
        .into_iter()
        .for_each(|searcher| searcher.join().unwrap());
    assert!(above.may_have(), "lost: for good");
}

/// Four groups of one CPU. CPU 0 is busy and has offered a thread, which CPU 1 took; so its group
/// is empty but not forgotten. `COUNT` threads sleep that ran on CPU 0.
fn machine<const COUNT: usize>() -> (Arc<Machine>, [ThreadRef; COUNT]) {
    let machine = Machine::grouped(4, 1);
    let threads = [(); COUNT].map(|()| machine.blocked(None));
    let first = machine.blocked(None);
    let _hog = machine.running(Some(0));
    machine.0.unpark(&first);
    machine.become_cpu(1);
    machine.idle();
    assert_eq!(machine.runs_on(&first), Some(1));
    machine.become_cpu(0);
    (machine, threads)
}

/// CPU 0 offers a thread while CPU 2 finds its group empty and forgets it. A CPU that looks
/// later must find the thread.
fn forgetting_meets_offer() {
    let (machine, [thread]) = machine();
    let searcher = machine.on(2, |m| m.idle());
    machine.0.unpark(&thread);
    searcher.join().unwrap();
    machine.rest();
    machine.become_cpu(3);
    machine.idle();
    machine.rest();
    let runs = machine.runs_on(&thread).is_some();
    assert!(runs, "lost: a CPU is idle while a thread waits");
}

/// The same with a third CPU that looks at that moment. Neither may go to sleep beside what is
/// left: nothing would wake it before the owner's next tick.
fn forgetting_meets_search() {
    let (machine, threads) = machine::<2>();
    let searchers = [2, 3].map(|cpu| machine.on(cpu, |m| m.idle()));
    threads.iter().for_each(|thread| machine.0.unpark(thread));
    searchers.into_iter().for_each(|cpu| cpu.join().unwrap());
    machine.rest();
    for thread in threads {
        let runs = machine.runs_on(&thread).is_some();
        assert!(runs, "lost: a CPU is idle while a thread waits");
    }
}
