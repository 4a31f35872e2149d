//! What other kernels got wrong in their schedulers, by name (docs/lessons.md).

use crate::machine::{MS, Machine, Step, US};
use crate::spec;
use smp::{CpuId, CpuSet, Phase, Policy, Runtime};

/// Lesson 1. A scan that restarts at the current thread and stops at the first ready one never
/// reaches a thread that was born later.
#[test]
#[cfg_attr(miri, ignore = "long")]
fn starvation_behind_a_global_index() {
    for cpus in [1, 4] {
        let mut machine = Machine::new(cpus, 4);
        (0..4 * cpus).for_each(|_| drop(machine.hog(spec())));
        machine.run_until(500 * MS);
        let late: Vec<_> = (0..4).map(|_| machine.hog(spec())).collect();
        let born = machine.now();
        machine.run_until(born + 1000 * MS);
        for thread in late {
            let first = machine.first_run[&thread.id().tid] - born;
            assert!(first < 50 * MS, "it first ran after {first} ns");
            let share = thread.stats_at(machine.now()).run_ns;
            assert!(share > 100 * MS, "it ran {share} ns of a second");
        }
    }
}

/// Lesson 9. Whoever may free dead threads must not be one that happens not to run.
#[test]
#[cfg_attr(miri, ignore = "long")]
fn dead_threads_are_freed_beside_hogs() {
    let mut machine = Machine::new(2, 2);
    (0..4).for_each(|_| drop(machine.hog(spec().policy(Policy::Normal))));
    let ended: Vec<_> = (0..50)
        .map(|_| machine.spawn(spec(), vec![Step::Run(US)]).id())
        .collect();
    machine.run_until(1000 * MS);
    assert_eq!(machine.finished, 50);
    let mut left = machine.sched.threads();
    assert!(left.all(|thread| !ended.contains(&thread.id())));
}

/// Lesson 11. What was meant for a thread that has ended does not reach the one that got its
/// number.
#[test]
fn recycled_number_is_not_its_predecessor() {
    let mut machine = Machine::new(1, 1);
    let first = machine.spawn(spec().tid(77), vec![Step::Run(US)]);
    machine.run_until(MS);
    assert_eq!(first.phase(), Phase::Dead);
    let second = machine.spawn(spec().tid(77), vec![Step::Park, Step::Run(US)]);
    assert_eq!(first.id().tid, second.id().tid);
    assert_ne!(first.id(), second.id());
    machine.run_until(2 * MS);
    machine.sched.unpark(&first);
    machine.run_until(3 * MS);
    assert_eq!(second.phase(), Phase::Blocked, "its predecessor's wake");
    machine.spawn(spec(), vec![Step::Wake(77)]);
    machine.run_until(4 * MS);
    assert_eq!(second.phase(), Phase::Dead);
}

/// Lesson 23. One flag for all CPUs is taken by whoever looks first; here a request that is for
/// CPU 0 stays its own, however often another CPU looks at its own.
#[test]
#[cfg_attr(miri, ignore = "long")]
fn resched_flag_is_not_stolen_by_a_peer() {
    let mut machine = Machine::new(2, 2);
    let only = |cpu| CpuSet::single(CpuId::new(cpu));
    (0..2).for_each(|cpu| drop(machine.hog(spec().affinity(only(cpu)))));
    // CPU 1 reschedules all the time.
    let busy = vec![Step::Run(5 * US), Step::Yield, Step::Repeat(u64::MAX)];
    machine.spawn(spec().affinity(only(1)), busy);
    let rounds = vec![Step::Sleep(MS), Step::Run(US), Step::Repeat(200)];
    let urgent = machine.spawn(spec().affinity(only(0)).policy(Policy::Fifo(1)), rounds);
    machine.run_until(1000 * MS);
    let stats = urgent.stats_at(machine.now());
    assert_eq!(machine.finished, 1);
    assert!(stats.wait_ns / stats.runs < 10 * US, "{stats:?}");
}

/// Timers that are set for a time that has passed leave no time for anything else. (The machine
/// itself fails on such a storm.)
#[test]
#[cfg_attr(miri, ignore = "long")]
fn timers_in_the_past_make_no_storm() {
    let mut machine = Machine::new(2, 2);
    let sleepy = vec![
        Step::Sleep(0),
        Step::Run(US),
        Step::Sleep(1),
        Step::Repeat(2000),
    ];
    (0..4).for_each(|_| drop(machine.spawn(spec(), sleepy.clone())));
    machine.hog(spec().policy(Policy::RoundRobin(1)));
    machine.hog(spec());
    machine.run_until(1000 * MS);
    assert_eq!(machine.finished, 4);
}

/// Interrupts are not masked for as long as it takes to wake a thousand.
#[test]
fn many_sleepers_due_at_once_are_woken_by_several_interrupts() {
    const SLEEPERS: usize = 200;
    let mut machine = Machine::new(1, 1);
    for _ in 0..SLEEPERS {
        machine.spawn(spec(), vec![Step::Sleep(50 * MS), Step::Run(US)]);
    }
    machine.run_until(49 * MS);
    let interrupts = |machine: &Machine| machine.sched.cpu_stats(CpuId::new(0)).timer_irqs;
    let before = interrupts(&machine);
    machine.run_until(60 * MS);
    assert_eq!(machine.finished, SLEEPERS);
    assert!(interrupts(&machine) - before >= SLEEPERS as u64 / 16);
}
