//! The scheduler's protocols, each between two or three CPUs that run the real code.

use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use smp::{CpuId, CpuSet, Phase, Policy, Runtime, ThreadRef, ThreadSpec};
use std::sync::Arc;

use crate::handing_on::running;
use crate::harness::model;
use crate::machine::Machine;

const RACE: &str = "Causality violation";
const LOST: &str = "lost";
const BREACH: &str = "breach";

model!(inbox_delivers within 2,
    inbox_push_relaxed: LOST, inbox_drain_relaxed: LOST, drain_before_clear: LOST);
model!(idle_meets_wake within 3,
    sleep_by_store: LOST);
model!(surplus_meets_idle within 3,
    surplus_fence: LOST, idle_fence: LOST, look_before_idle: LOST);
model!(park_meets_wake within 3,
    wake_relaxed: RACE);
model!(parked_runs_elsewhere within 3,
    tail_relaxed: RACE, tail_before_save: RACE);
model!(token_survives_preemption within 2,
    token_dropped_when_ready: LOST, token_relaxed: LOST, token_not_rewritten: LOST);
model!(preempted_runs_elsewhere within 3, tail_before_save: RACE);
model!(shelf_is_claimed_once within 2,
    claim_by_store: RACE);
model!(slot_brings_the_thread within 3,
    claim_relaxed: RACE, publish_relaxed: RACE);
model!(hiding_meets_offer within 3,
    hide_for_good: LOST, hide_fence: LOST, show_fence: LOST);
model!(hiding_meets_search within 2, hide_untold: LOST);
model!(kick_meets_steal within 2, kick_kept: LOST);
model!(kick_meets_wake within 3, kick_kept: LOST);
model!(affinity_meets_steal within 3,
    set_home_by_store: LOST);
model!(affinity_meets_wake within 3, control_by_load: BREACH);
model!(affinity_meets_running within 3, announce_before_store: BREACH);
model!(exit_meets_join within 3,
    close_leaves_open: LOST, tail_before_save: RACE);
model!(exit_meets_early_look within 3, released_relaxed: RACE);
model!(work_meets_tick_off within 3, tick_off_ignored: LOST);
model!(need_is_not_swallowed_by_work within 3, need_behind_work: LOST);

/// Two wakers and the owner of the inbox; what a thread is woken for is visible to it.
fn inbox_delivers() {
    let machine = Machine::new(3);
    let threads = [0, 1].map(|_| machine.blocked(Some(0)));
    let [first, second] = threads.clone();
    let a = machine.on(1, move |m| m.0.unpark(&first));
    let b = machine.on(2, move |m| m.0.unpark(&second));
    machine.idle();
    a.join().unwrap();
    b.join().unwrap();
    machine.rest();
    for _ in 0..2 {
        let runs = threads.iter().any(|t| machine.runs_on(t) == Some(0));
        assert!(runs, "lost: a woken thread neither runs nor waits");
        assert_eq!(machine.0.begin_park(None), None);
    }
}

/// A CPU on its way to sleep and a wake meant for it.
fn idle_meets_wake() {
    let machine = Machine::new(2);
    let thread = machine.blocked(Some(0));
    let woken = thread.clone();
    let waker = machine.on(1, move |m| m.0.unpark(&woken));
    machine.idle();
    waker.join().unwrap();
    machine.rest();
    assert_eq!(
        machine.runs_on(&thread),
        Some(0),
        "lost: the CPU sleeps through a wake"
    );
}

/// A CPU that gets surplus and one that goes idle: the surplus must not stay where it is.
fn surplus_meets_idle() {
    let machine = Machine::new(2);
    machine.become_cpu(0);
    let thread = machine.blocked(None);
    let _hog = machine.running(Some(0));
    let idle = machine.on(1, |m| m.idle());
    machine.0.unpark(&thread);
    idle.join().unwrap();
    machine.rest();
    assert!(
        machine.runs_on(&thread).is_some(),
        "lost: a CPU is idle while a thread waits"
    );
}

/// A thread that parks, its waker, and an idle CPU that runs it at once.
fn park_meets_wake() {
    park_beside_a_waker(Machine::new(3), |_| {});
}

/// The same with a CPU that has another thread to run: the woken one runs elsewhere, maybe before
/// its registers are saved.
fn parked_runs_elsewhere() {
    park_beside_a_waker(Machine::new(3), |machine| {
        machine.0.start(&machine.create(Some(0)));
    });
}

fn park_beside_a_waker(machine: Arc<Machine>, prepare: impl FnOnce(&Machine)) {
    let thread = machine.running(None);
    prepare(&machine);
    machine.become_cpu(1);
    machine.idle();
    machine.become_cpu(0);
    let woken = thread.clone();
    let waker = machine.on(2, move |m| {
        m.0.unpark(&woken);
        m.serve(1);
    });
    if machine.0.begin_park(None).is_none() && machine.0.current_id().tid == 0 {
        machine.idle();
    }
    waker.join().unwrap();
    machine.rest();
    assert!(machine.runs_on(&thread).is_some(), "lost: a wake");
}

/// A thread that looks for two conditions, is preempted and parks until both are true, and two
/// wakers that each make one true. The conditions are relaxed: only the token brings them across.
fn token_survives_preemption() {
    let machine = Machine::new(3);
    let thread = machine.running(Some(0));
    let other = machine.create(Some(0));
    let conditions = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
    let wakers = [1, 2].map(|cpu| {
        let (conditions, woken) = (conditions.clone(), thread.clone());
        machine.on(cpu, move |m| {
            conditions[cpu - 1].store(true, Relaxed);
            m.0.unpark(&woken);
        })
    });
    let met = || conditions.iter().all(|condition| condition.load(Relaxed));
    let mut done = met();
    machine.0.start(&other);
    machine.0.yield_now();
    assert_eq!(machine.0.current(), other);
    assert_eq!(machine.0.begin_park(None), None);
    // The thread runs again; it looks once more after each park that ends.
    while !done && machine.0.begin_park(None).is_some() {
        done = met();
    }
    if !done {
        machine.idle();
    }
    wakers.into_iter().for_each(|waker| waker.join().unwrap());
    machine.rest();
    // If it sleeps, a wake is on its way that makes it look again.
    let looks = done || machine.runs_on(&thread) == Some(0) && met();
    assert!(looks, "lost: it sleeps although both conditions hold");
}

/// A thread that yields with an idle CPU waiting for surplus: it must be saved before it moves.
fn preempted_runs_elsewhere() {
    let machine = Machine::new(2);
    let thread = machine.running(None);
    let other = machine.create(Some(0));
    machine.0.start(&other);
    let thief = machine.on(1, |m| m.idle());
    machine.0.yield_now();
    thief.join().unwrap();
    machine.rest();
    assert_eq!(machine.runs_on(&other), Some(0), "lost");
    assert!(
        machine.runs_on(&thread).is_some(),
        "lost: a CPU is idle while a thread waits"
    );
}

/// A thief takes the last offer and hides its owner, who offers another one meanwhile: a CPU that
/// looks later must find it.
fn hiding_meets_offer() {
    let machine = Machine::new(3);
    let second = machine.blocked(None);
    let first = machine.blocked(None);
    let _hog = machine.running(Some(0));
    machine.0.unpark(&first);
    let thief = machine.on(1, |m| m.idle());
    machine.0.unpark(&second);
    thief.join().unwrap();
    machine.rest();
    machine.become_cpu(2);
    machine.idle();
    machine.rest();
    all_run(&machine, &[first, second]);
}

/// The same with a third CPU that looks at that moment: it may not go to sleep beside what is left.
/// Nobody else tells it: the thief is no longer idle for others, it has been sent a thread.
fn hiding_meets_search() {
    let machine = Machine::new(3);
    machine.become_cpu(2);
    let sent = running(&machine, "2", Policy::Batch);
    assert_eq!(machine.0.begin_park(None), None);
    machine.running(Some(2));
    machine.become_cpu(0);
    let second = machine.blocked(None);
    let first = machine.blocked(None);
    let _hog = machine.running(Some(0));
    machine.0.unpark(&first);
    let owner = machine.on(0, move |m| {
        m.0.unpark(&sent);
        m.0.unpark(&second);
    });
    let searcher = machine.on(1, |m| m.idle());
    machine.become_cpu(2);
    assert_eq!(machine.0.begin_park(None), None);
    owner.join().unwrap();
    searcher.join().unwrap();
    machine.rest();
    let runs = machine.current_of(1).tid() != 0;
    assert!(runs, "lost: a CPU is idle while a thread waits");
}

fn all_run(machine: &Machine, threads: &[ThreadRef]) {
    let run = threads
        .iter()
        .all(|thread| machine.runs_on(thread).is_some());
    assert!(run, "lost: a CPU is idle while a thread waits");
}

/// Of two CPUs that look for work one finds some and is kicked for more at that moment: the other
/// must get that.
fn kick_meets_steal() {
    let machine = Machine::new(3);
    let second = machine.blocked(None);
    let first = machine.blocked(None);
    let _hog = machine.running(Some(0));
    machine.0.unpark(&first);
    let thieves = [1, 2].map(|cpu| machine.on(cpu, |m| m.idle()));
    machine.0.unpark(&second);
    thieves.into_iter().for_each(|thief| thief.join().unwrap());
    machine.rest();
    all_run(&machine, &[first, second]);
}

/// A CPU that is woken to look for surplus is sent a thread that may run nowhere else: the other
/// idle CPU must get the surplus.
fn kick_meets_wake() {
    let machine = Machine::new(4);
    let thread = machine.running(None);
    machine.0.start(&machine.create(Some(0)));
    machine.become_cpu(3);
    machine.running(Some(3));
    machine.become_cpu(1);
    let pinned = machine.blocked(Some(1));
    for cpu in [2, 1] {
        machine.become_cpu(cpu);
        machine.idle();
    }
    machine.become_cpu(0);
    let woken = pinned.clone();
    let waker = machine.on(3, move |m| m.0.unpark(&woken));
    machine.0.yield_now();
    waker.join().unwrap();
    machine.rest();
    all_run(&machine, &[pinned, thread]);
}

/// Surplus that two thieves look at, and that its owner takes back too.
fn shelf_is_claimed_once() {
    let machine = Machine::new(3);
    let second = machine.blocked(None);
    let first = machine.blocked(None);
    let hog = machine.running(Some(0));
    machine.0.unpark(&first);
    let thieves = [1, 2].map(|cpu| machine.on(cpu, |m| m.idle()));
    machine.0.unpark(&second);
    assert_eq!(machine.0.begin_park(None), None);
    if machine.0.current_id().tid == 0 {
        machine.idle();
    }
    thieves.into_iter().for_each(|thief| thief.join().unwrap());
    machine.rest();
    for thread in [first, second] {
        let runs = (0..3)
            .filter(|&cpu| machine.current_of(cpu) == thread)
            .count();
        assert_eq!(runs, 1, "lost, or runs twice");
    }
    assert_eq!(hog.phase(), Phase::Blocked);
}

/// A thief that looks already when surplus is published: its fence and the bit in the mask came
/// before, so that the slot alone brings the thread across. That is urgent: the thief takes it
/// rather than the other surplus, which the bit is about.
fn slot_brings_the_thread() {
    let machine = Machine::new(2);
    let spec = ThreadSpec::new("urgent", || {}).nice(-20);
    let urgent = machine.0.create(spec).unwrap();
    machine.run(&urgent);
    assert_eq!(machine.0.begin_park(None), None);
    let patient = machine.blocked(None);
    let _hog = machine.running(Some(0));
    machine.0.unpark(&patient);
    let woken = urgent.clone();
    let owner = machine.on(0, move |m| m.0.unpark(&woken));
    machine.become_cpu(1);
    machine.idle();
    owner.join().unwrap();
    machine.rest();
    let runs = [urgent, patient].map(|thread| machine.runs_on(&thread));
    assert!(runs.contains(&Some(1)), "lost: a CPU is idle");
}

fn only(cpu: usize) -> CpuSet {
    CpuSet::single(CpuId::new(cpu))
}

/// A waiting thread is bound to its CPU while another steals it.
fn affinity_meets_steal() {
    let machine = Machine::new(2);
    let thread = machine.blocked(None);
    let hog = machine.running(Some(0));
    machine.0.unpark(&thread);
    let thief = machine.on(1, |m| m.idle());
    machine.0.set_affinity(&thread, &only(0)).unwrap();
    thief.join().unwrap();
    machine.rest();
    assert_ne!(machine.runs_on(&thread), Some(1), "affinity breach");
    assert_eq!(machine.0.begin_park(None), None);
    assert!(
        [&thread, &hog]
            .iter()
            .any(|t| machine.runs_on(t) == Some(0)),
        "lost"
    );
}

/// A blocked thread is bound to a CPU while it is woken; a third CPU is idle and near.
fn affinity_meets_wake() {
    let machine = Machine::new(3);
    let thread = machine.blocked(None);
    let _hog = machine.running(Some(0));
    machine.become_cpu(1);
    machine.idle();
    machine.become_cpu(0);
    let woken = thread.clone();
    let waker = machine.on(2, move |m| {
        m.0.unpark(&woken);
        m.serve(1);
    });
    machine.0.set_affinity(&thread, &only(0)).unwrap();
    waker.join().unwrap();
    machine.rest();
    assert_ne!(machine.runs_on(&thread), Some(1), "affinity breach");
    assert_eq!(
        thread.cpu(),
        CpuId::new(0),
        "affinity breach: it waits elsewhere"
    );
}

/// A thread begins to run on a CPU that it is just being forbidden.
fn affinity_meets_running() {
    let machine = Machine::new(2);
    let thread = machine.blocked(None);
    let woken = thread.clone();
    machine.0.unpark(&woken);
    let changer = machine.on(1, move |m| {
        m.0.set_affinity(&woken, &only(1)).unwrap();
        m.idle();
    });
    machine.idle();
    machine.serve(0);
    changer.join().unwrap();
    machine.rest();
    assert_eq!(machine.runs_on(&thread), Some(1), "affinity breach");
}

/// A thread ends while another comes to wait for it, and then frees its stack.
fn exit_meets_join() {
    let machine = Machine::new(2);
    let thread = machine.running(Some(0));
    let joiner = machine.create(Some(1));
    machine.become_cpu(1);
    machine.0.start(&joiner);
    machine.0.idle_look();
    machine.become_cpu(0);
    let (ends, waits) = (thread.clone(), joiner.clone());
    let second = machine.on(1, move |m| {
        if m.0.begin_join(&ends) {
            if m.0.begin_park(None).is_some() {
                m.free_stack(&ends);
            } else {
                m.idle();
            }
        } else {
            m.free_stack(&ends);
        }
        drop(waits);
    });
    machine.0.bury_current();
    machine.idle();
    second.join().unwrap();
    machine.rest();
    assert_eq!(
        machine.runs_on(&joiner),
        Some(1),
        "lost: nobody tells the joiner"
    );
    assert_eq!(thread.phase(), Phase::Dead);
}

/// A thread ends while one that waits for it, and was woken for another reason, looks: if that is
/// the end it frees the stack.
fn exit_meets_early_look() {
    let machine = Machine::new(2);
    let thread = machine.running(Some(0));
    machine.become_cpu(1);
    machine.running(Some(1));
    assert!(machine.0.begin_join(&thread));
    machine.become_cpu(0);
    let ends = thread.clone();
    let joiner = machine.on(1, move |m| {
        if m.0.has_joined() {
            m.free_stack(&ends);
        }
    });
    machine.0.bury_current();
    joiner.join().unwrap();
    assert_eq!(thread.phase(), Phase::Dead);
}

/// A CPU stops its tick while it is sent a thread that is not urgent.
fn work_meets_tick_off() {
    let machine = Machine::new(2);
    machine.running(Some(0));
    machine.0.start(&machine.create(Some(0)));
    let third = machine.create(Some(0));
    let sent = third.clone();
    let sender = machine.on(1, move |m| m.0.start(&sent));
    // One of two parks: the other needs no tick.
    assert_eq!(machine.0.begin_park(None), None);
    sender.join().unwrap();
    machine.rest();
    let ready = machine.0.cpu_stats(CpuId::new(0)).nr_ready;
    assert_eq!(ready, 1, "lost: sent to a CPU that will not look");
}

/// A busy CPU is sent a thread that can wait and one that cannot.
fn need_is_not_swallowed_by_work() {
    let machine = Machine::new(3);
    let urgent = machine.blocked(Some(0));
    machine.running(Some(0));
    machine.0.start(&machine.create(Some(0)));
    let patient = machine.create(Some(0));
    let (sent, woken) = (patient.clone(), urgent.clone());
    let a = machine.on(1, move |m| m.0.start(&sent));
    let b = machine.on(2, move |m| m.0.unpark(&woken));
    a.join().unwrap();
    b.join().unwrap();
    machine.rest();
    let ready = machine.0.cpu_stats(CpuId::new(0)).nr_ready;
    assert_eq!(ready, 3, "lost: an urgent thread waits for the tick");
}
