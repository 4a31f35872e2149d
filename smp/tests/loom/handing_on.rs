//! Threads that only their CPU can hand on, against CPUs that go idle or become less urgent.

use smp::{CpuId, CpuSet, Params, Phase, Policy, Runtime, ThreadRef, ThreadSpec};

use crate::harness::model;
use crate::machine::Machine;

const LOST: &str = "lost";
const BREACH: &str = "breach";

// A switch has a full fence of its own (`switch_fence`); a drop without a switch has not.
model!(priority_meets_push within 2, hold_fence: LOST, no_pull: LOST);
model!(lowering_meets_push within 2,
    hold_fence: LOST, drop_fence: LOST, no_pull: LOST);
model!(restricted_meets_idle within 2,
    hold_fence: LOST, idle_fence: LOST, idle_asks_nobody: LOST);
model!(posted_meets_idle within 2,
    post_fence: LOST, idle_fence: LOST, idle_asks_nobody: LOST);
model!(push_meets_affinity within 3, set_home_by_store: BREACH);

pub fn cpus(list: &str) -> CpuSet {
    CpuSet::parse_list(list).unwrap()
}

pub fn create(machine: &Machine, on: &str, policy: Policy) -> ThreadRef {
    let spec = ThreadSpec::new("model", || {})
        .affinity(cpus(on))
        .policy(policy);
    machine.0.create(spec).unwrap()
}

/// A thread that runs on the calling CPU, having preempted what was there.
pub fn running(machine: &Machine, on: &str, policy: Policy) -> ThreadRef {
    let thread = create(machine, on, policy);
    machine.0.start(&thread);
    match machine.0.current_id().tid {
        0 => machine.0.idle_look(),
        _ => machine.0.preempt_if_needed(),
    }
    assert_eq!(machine.0.current(), thread);
    thread
}

/// A real-time thread is queued where it must wait while another CPU drops below its priority.
fn priority_meets_push() {
    let machine = Machine::new(2);
    let moving = sleeper_beside_urgent(&machine);
    machine.become_cpu(1);
    running(&machine, "1", Policy::Normal);
    running(&machine, "1", Policy::Fifo(60));
    machine.become_cpu(0);
    let drops = machine.on(1, |m| assert_eq!(m.0.begin_park(None), None));
    machine.0.unpark(&moving);
    drops.join().unwrap();
    assert_moves(&machine, &moving);
}

/// The same when what runs there is made less urgent.
fn lowering_meets_push() {
    let machine = Machine::new(2);
    let moving = sleeper_beside_urgent(&machine);
    machine.become_cpu(1);
    let other = running(&machine, "1", Policy::Fifo(60));
    machine.become_cpu(0);
    let lower = |params| Params {
        policy: Policy::Fifo(10),
        ..params
    };
    let drops = machine.on(1, move |m| m.0.change_params(&other, &lower));
    machine.0.unpark(&moving);
    drops.join().unwrap();
    assert_moves(&machine, &moving);
}

/// A real-time thread that sleeps, on CPU 0, where by now a more urgent one runs.
fn sleeper_beside_urgent(machine: &Machine) -> ThreadRef {
    let moving = create(machine, "0-1", Policy::Fifo(40));
    machine.0.start(&moving);
    machine.0.idle_look();
    assert_eq!(machine.0.begin_park(None), None);
    running(machine, "0", Policy::Fifo(50));
    moving
}

fn assert_moves(machine: &Machine, moving: &ThreadRef) {
    machine.rest();
    let on = machine.runs_on(moving);
    assert_eq!(on, Some(1), "lost: an urgent thread waits");
}

/// A restricted thread is queued where it must wait while a CPU that it may use goes idle.
fn restricted_meets_idle() {
    let machine = Machine::new(3);
    let moving = running(&machine, "0-1", Policy::Batch);
    assert_eq!(machine.0.begin_park(None), None);
    running(&machine, "0", Policy::Normal);
    let idle = machine.on(1, |m| m.idle());
    machine.0.unpark(&moving);
    idle.join().unwrap();
    machine.rest();
    assert_eq!(machine.runs_on(&moving), Some(1), "lost: its CPU is idle");
}

/// A new thread is sent to a busy CPU, which need not look at once, while another goes idle.
fn posted_meets_idle() {
    let machine = Machine::new(3);
    running(&machine, "0", Policy::Normal);
    machine.0.start(&create(&machine, "0", Policy::Batch));
    machine.become_cpu(2);
    let busy = [0, 1, 2].map(|_| create(&machine, "2", Policy::Normal));
    busy.iter().for_each(|thread| machine.0.start(thread));
    machine.0.idle_look();
    machine.become_cpu(1);
    running(&machine, "1", Policy::Fifo(1));
    let new = create(&machine, "0,2", Policy::Batch);
    // Its CPUs are equally crowded or the other one more, so that it may well go to CPU 0.
    let idle = machine.on(2, |m| {
        for _ in 0..3 {
            assert_eq!(m.0.begin_park(None), None);
        }
        m.idle();
    });
    machine.become_cpu(1);
    machine.0.start(&new);
    idle.join().unwrap();
    machine.rest();
    assert_eq!(machine.runs_on(&new), Some(2), "lost: its CPU is idle");
}

/// A real-time thread that is being pushed to another CPU is bound to this one.
fn push_meets_affinity() {
    let machine = Machine::new(3);
    let moving = running(&machine, "0-2", Policy::Fifo(40));
    assert_eq!(machine.0.begin_park(None), None);
    running(&machine, "0", Policy::Fifo(50));
    machine.become_cpu(1);
    running(&machine, "1", Policy::Normal);
    machine.become_cpu(2);
    running(&machine, "2", Policy::Fifo(60));
    machine.become_cpu(0);
    let bound = moving.clone();
    let binder = machine.on(2, move |m| {
        m.0.set_affinity(&bound, &CpuSet::single(CpuId::new(0)))
            .unwrap();
    });
    machine.0.unpark(&moving);
    machine.serve(1);
    binder.join().unwrap();
    machine.rest();
    assert_eq!(moving.phase(), Phase::Ready, "affinity breach: it runs");
    assert_eq!(
        moving.cpu(),
        CpuId::new(0),
        "affinity breach: it waits elsewhere"
    );
}
