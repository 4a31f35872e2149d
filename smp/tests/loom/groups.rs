//! Machines of more than one group, which have words above the masks.

use smp::{Runtime, ThreadRef};
use std::sync::Arc;

use crate::harness::model;
use crate::machine::Machine;

const LOST: &str = "lost";

model!(forgetting_meets_offer within 3,
    forget_fence: LOST, insert_fence: LOST, forget_for_good: LOST);
model!(an_unlucky_search_is_mended within 2, tick_missing: LOST);

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

/// The same with a third CPU that looks at that moment and sees the group forgotten. It may go to
/// sleep beside what is left; the owner's next tick ends that.
fn an_unlucky_search_is_mended() {
    let (machine, threads) = machine::<2>();
    let [second, third] = threads.clone();
    let searchers = [2, 3].map(|cpu| machine.on(cpu, |m| m.idle()));
    machine.0.unpark(&second);
    machine.0.unpark(&third);
    searchers.into_iter().for_each(|cpu| cpu.join().unwrap());
    machine.rest();
    if !smp::sync::mutant::is_active("tick_missing") {
        machine.tick(0);
    }
    machine.rest();
    for thread in threads {
        let runs = machine.runs_on(&thread).is_some();
        assert!(runs, "lost: a CPU is idle while a thread waits");
    }
}
