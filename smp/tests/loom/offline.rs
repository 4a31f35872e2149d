//! A CPU goes off, or comes back, while others wake, steal, kick and change threads of it.

use smp::{CpuId, CpuSet, Phase, Runtime};

use crate::harness::model;
use crate::machine::Machine;

const LOST: &str = "lost";
/// Two CPUs have one thread.
const TWICE: &str = "scheduler check Token";
const RACE: &str = "Causality violation";

model!(off_meets_wake within 3,
    off_ignored: LOST, off_by_store: LOST, drain_before_clear: LOST);
model!(off_meets_kick within 3,
    kick_dies_with_the_cpu: LOST);
model!(off_meets_steal within 2,
    queue_stays: LOST, claim_by_store: TWICE);
model!(off_meets_affinity within 3,
    off_ignored: LOST);
model!(back_meets_wake within 3,
    sleep_by_store: LOST);
model!(running_is_sent_away within 2,
    tail_before_save: RACE);

/// CPU 1 is asked to go off by CPU 0 while CPU 2 wakes a thread that was at home on CPU 1.
fn off_meets_wake() {
    let machine = Machine::new(3);
    machine.become_cpu(1);
    let thread = machine.blocked(None);
    machine.become_cpu(0);
    let woken = thread.clone();
    let waker = machine.on(2, move |m| m.0.unpark(&woken));
    let leaver = machine.on(1, |m| m.idle());
    machine.0.begin_offline(CpuId::new(1)).unwrap();
    waker.join().unwrap();
    leaver.join().unwrap();
    machine.rest();
    assert!(machine.is_off(1), "lost: the CPU did not hear of it");
    for cpu in [0, 2] {
        machine.become_cpu(cpu);
        machine.idle();
        machine.rest();
    }
    assert!(
        machine.runs_on(&thread).is_some(),
        "lost: a woken thread is left on a CPU that is off"
    );
}

/// CPU 0 gets surplus and kicks CPU 1, which goes off; CPU 2 is idle and must get it.
fn off_meets_kick() {
    let machine = Machine::new(3);
    let thread = machine.running(None);
    machine.0.start(&machine.create(Some(0)));
    for cpu in [2, 1] {
        machine.become_cpu(cpu);
        machine.idle();
    }
    machine.become_cpu(2);
    machine.0.begin_offline(CpuId::new(1)).unwrap();
    machine.become_cpu(0);
    let leaver = machine.on(1, |m| m.serve(1));
    machine.0.yield_now();
    leaver.join().unwrap();
    machine.rest();
    assert!(machine.is_off(1), "lost: the CPU did not hear of it");
    assert!(
        machine.runs_on(&thread).is_some(),
        "lost: a CPU is idle while a thread waits"
    );
}

/// CPU 0 has a thread and surplus and goes off; CPU 1 steals meanwhile.
fn off_meets_steal() {
    let machine = Machine::new(3);
    let threads = [0, 1].map(|_| machine.blocked(None));
    let hog = machine.running(None);
    threads.iter().for_each(|thread| machine.0.unpark(thread));
    machine.become_cpu(2);
    machine.0.begin_offline(CpuId::new(0)).unwrap();
    let thief = machine.on(1, |m| m.idle());
    machine.serve(0);
    thief.join().unwrap();
    machine.become_cpu(2);
    machine.idle();
    machine.rest();
    assert!(machine.is_off(0), "lost: the CPU did not hear of it");
    // Each thread runs in its turn, as those before it go to sleep.
    let mut waiting = vec![threads[0].clone(), threads[1].clone(), hog];
    for cpu in [1, 2, 1, 2, 1, 2] {
        let current = machine.current_of(cpu);
        waiting.retain(|thread| *thread != current);
        machine.become_cpu(cpu);
        if current.tid() != 0 {
            assert_eq!(machine.0.begin_park(None), None);
        }
        machine.idle();
        machine.rest();
    }
    assert!(waiting.is_empty(), "lost: on a CPU that is off");
}

/// CPU 1 goes off with a thread that CPU 2 binds to CPU 0 at that moment, and then to CPU 2: the
/// second change must be heard of.
fn off_meets_affinity() {
    let machine = Machine::new(3);
    machine.become_cpu(1);
    let thread = machine.running(None);
    machine.become_cpu(0);
    machine.0.begin_offline(CpuId::new(1)).unwrap();
    let bound = thread.clone();
    let binder = machine.on(2, move |m| {
        m.0.set_affinity(&bound, &CpuSet::single(CpuId::new(0)))
            .unwrap();
    });
    let leaver = machine.on(1, |m| m.serve(1));
    binder.join().unwrap();
    leaver.join().unwrap();
    machine.become_cpu(0);
    machine.idle();
    machine.rest();
    assert!(machine.is_off(1), "lost: the CPU did not hear of it");
    assert_eq!(machine.runs_on(&thread), Some(0), "lost: or on a wrong CPU");
    machine.become_cpu(2);
    machine
        .0
        .set_affinity(&thread, &CpuSet::single(CpuId::new(2)))
        .unwrap();
    machine.become_cpu(2);
    machine.idle();
    machine.rest();
    assert_eq!(
        machine.runs_on(&thread),
        Some(2),
        "lost: the change is not heard of"
    );
}

/// CPU 1 is off; it starts while two CPUs send it threads, one of them still thinking it is off.
fn back_meets_wake() {
    let machine = Machine::new(3);
    machine.become_cpu(1);
    let threads = [0, 1].map(|_| machine.blocked(None));
    machine.idle();
    machine.become_cpu(0);
    machine.0.begin_offline(CpuId::new(1)).unwrap();
    machine.serve(1);
    assert!(machine.is_off(1));
    machine.become_cpu(0);
    let _busy = [machine.running(Some(0))];
    let [first, second] = threads.clone();
    let a = machine.on(2, move |m| m.0.unpark(&first));
    let b = machine.on(1, |m| {
        m.start_cpu(1);
        m.idle();
    });
    machine.0.unpark(&second);
    a.join().unwrap();
    b.join().unwrap();
    machine.become_cpu(2);
    machine.idle();
    machine.rest();
    for thread in &threads {
        assert!(
            machine.runs_on(thread).is_some(),
            "lost: a woken thread waits while a CPU is idle"
        );
    }
}

/// CPU 0 runs a thread and goes off; CPU 1 is idle and runs the thread once it is saved.
fn running_is_sent_away() {
    let machine = Machine::new(2);
    let thread = machine.running(Some(0));
    machine.become_cpu(1);
    machine.0.begin_offline(CpuId::new(0)).unwrap();
    let taker = machine.on(1, |m| m.idle());
    machine.serve(0);
    taker.join().unwrap();
    machine.rest();
    assert!(machine.is_off(0), "lost: the CPU did not hear of it");
    assert_eq!(machine.runs_on(&thread), Some(1), "lost");
    assert_eq!(thread.affinity(), CpuSet::ALL, "its only CPU is off");
    assert_eq!(thread.phase(), Phase::Running);
}
