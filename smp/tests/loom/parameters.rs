//! Changed parameters against threads that are woken, stolen, or begin to run.

use smp::{Params, Policy, Runtime};

use crate::handing_on::{create, running};
use crate::harness::model;
use crate::machine::Machine;

const LOST: &str = "lost";

model!(policy_meets_wake within 3, control_by_load: LOST, announce_before_store: LOST);
model!(policy_meets_steal within 3, set_home_by_store: LOST);
model!(policy_meets_running within 3, announce_before_store: LOST);

fn set_policy(machine: &Machine, thread: &smp::ThreadRef, policy: Policy) {
    let change = |params| Params { policy, ..params };
    machine.0.change_params(thread, &change);
}

/// A blocked thread is made urgent while it is woken.
fn policy_meets_wake() {
    let machine = Machine::new(2);
    let thread = running(&machine, "0", Policy::Normal);
    assert_eq!(machine.0.begin_park(None), None);
    running(&machine, "0", Policy::Fifo(5));
    let raised = thread.clone();
    let changer = machine.on(1, move |m| set_policy(m, &raised, Policy::Fifo(10)));
    machine.0.unpark(&thread);
    machine.serve(0);
    changer.join().unwrap();
    machine.rest();
    machine.0.preempt_if_needed();
    assert_eq!(
        machine.runs_on(&thread),
        Some(0),
        "lost: it waits as before"
    );
}

/// A waiting thread is made urgent while it is stolen.
fn policy_meets_steal() {
    let machine = Machine::new(2);
    let thread = machine.blocked(None);
    let _hog = machine.running(Some(0));
    machine.0.unpark(&thread);
    let thief = machine.on(1, |m| m.idle());
    set_policy(&machine, &thread, Policy::Fifo(10));
    machine.0.preempt_if_needed();
    thief.join().unwrap();
    machine.rest();
    let cpu = machine.runs_on(&thread).expect("lost: it does not run");
    machine.become_cpu(cpu);
    let lesser = create(&machine, &cpu.to_string(), Policy::Fifo(5));
    machine.0.start(&lesser);
    machine.0.preempt_if_needed();
    assert_eq!(machine.0.current(), thread, "lost: it runs as before");
}

/// A thread loses its urgency just as it begins to run before a lesser one.
fn policy_meets_running() {
    let machine = Machine::new(2);
    let lesser = running(&machine, "0", Policy::Fifo(5));
    let thread = create(&machine, "0", Policy::Fifo(10));
    machine.0.start(&thread);
    let lowered = thread.clone();
    let changer = machine.on(1, move |m| set_policy(m, &lowered, Policy::Normal));
    machine.0.preempt_if_needed();
    machine.serve(0);
    changer.join().unwrap();
    machine.rest();
    machine.0.preempt_if_needed();
    assert_eq!(machine.runs_on(&lesser), Some(0), "lost: it runs as before");
}
