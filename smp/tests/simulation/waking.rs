//! Threads that come, sleep and go: none is lost, none waits long, none starves others.

use crate::machine::{MS, Machine, Step, US};
use crate::spec;
use smp::{CpuId, Runtime};

#[test]
fn one_thread_runs_and_ends() {
    let mut machine = Machine::new(1, 1);
    machine.spawn(spec(), vec![Step::Run(MS), Step::Sleep(MS), Step::Run(MS)]);
    machine.run_until(10 * MS);
    assert_eq!(machine.finished, 1);
    assert_eq!(machine.sched.reap(), 0);
    assert!(Runtime::thread_from(&machine.sched, 0).is_none());
}

#[test]
fn a_burst_reaches_every_cpu_at_once() {
    let cpu_counts: &[usize] = if cfg!(miri) { &[2] } else { &[2, 4, 64] };
    for &cpu_count in cpu_counts {
        let mut machine = Machine::new(cpu_count, 8);
        let children =
            (1..=2 * cpu_count as u32).map(|n| Step::Spawn(100 + n, vec![Step::Run(20 * MS)]));
        machine.spawn(spec(), children.collect());
        machine.run_until(10 * MS);
        let busy = (0..cpu_count).filter(|&cpu| {
            Runtime::cpu_stats(&machine.sched, CpuId::new(cpu))
                .current
                .is_some()
        });
        assert_eq!(busy.count(), cpu_count);
        let mut first: Vec<_> = machine.first_run.values().collect();
        first.sort();
        assert!(
            *first[cpu_count - 1] < MS,
            "the last CPU began at {} ns",
            first[cpu_count - 1]
        );
    }
}

#[test]
fn no_tick_when_idle_or_alone() {
    let mut machine = Machine::new(2, 2);
    machine.spawn(spec(), vec![Step::Run(100 * MS)]);
    machine.run_until(10 * MS);
    assert_eq!(
        machine.pending_timers(),
        0,
        "one runnable thread needs no tick"
    );
    machine.run_until(1000 * MS);
    assert_eq!(machine.pending_timers(), 0, "an idle machine needs no tick");
    for cpu in 0..2 {
        let stats = Runtime::cpu_stats(&machine.sched, CpuId::new(cpu));
        assert!(
            stats.timer_irqs <= 1,
            "{} timer interrupts",
            stats.timer_irqs
        );
    }
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn a_sleeper_is_served_quickly_among_hogs() {
    let mut machine = Machine::new(1, 1);
    (0..4).for_each(|_| drop(machine.hog(spec())));
    let steps = vec![Step::Run(100 * US), Step::Sleep(10 * MS), Step::Repeat(99)];
    let sleeper = machine.spawn(spec(), steps);
    machine.run_until(2000 * MS);
    assert_eq!(machine.finished, 1, "100 rounds of 10.1 ms within 2 s");
    let stats = sleeper.stats_at(machine.now());
    assert!(
        stats.wait_ns / stats.runs < 200 * US,
        "waits {} ns a run",
        stats.wait_ns / stats.runs
    );
}

/// Each child runs for less than a slice and its parent sleeps meanwhile: both look innocent.
#[test]
#[cfg_attr(miri, ignore = "long")]
fn a_storm_of_short_threads_starves_nobody() {
    let mut machine = Machine::new(1, 1);
    let mut steps = Vec::new();
    for child in 0..2000 {
        let life = vec![Step::Run(100 * US), Step::Wake(99)];
        steps.extend([
            Step::Run(50 * US),
            Step::Spawn(100 + child, life),
            Step::Park,
        ]);
    }
    machine.spawn(spec().tid(99), steps);
    machine.run_until(5 * MS);
    let hogs: Vec<_> = (0..3).map(|_| machine.hog(spec())).collect();
    machine.run_until(205 * MS);
    for hog in hogs {
        let ran = hog.stats_at(machine.now()).run_ns;
        assert!(ran > 30 * MS, "a hog ran {ran} ns of 200 ms");
    }
}

#[test]
fn ping_pong_loses_no_wake() {
    let rounds = if cfg!(miri) { 9 } else { 999 };
    for cpu_count in [1, 2] {
        let mut machine = Machine::new(cpu_count, 2);
        let rally = |other| {
            vec![
                Step::Park,
                Step::Run(US),
                Step::Wake(other),
                Step::Repeat(rounds),
            ]
        };
        machine.spawn(spec().tid(11), rally(12));
        machine.spawn(spec().tid(12), rally(11));
        machine.spawn(spec(), vec![Step::Run(MS), Step::Wake(11)]);
        machine.run_until(u64::MAX);
        assert_eq!(machine.finished, 3, "on {cpu_count} CPUs");
    }
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn thousands_of_threads_come_and_go() {
    let mut machine = Machine::new(8, 4);
    for n in 0..4096 {
        let steps = vec![Step::Run(US), Step::Sleep(n % 7 * US + US), Step::Run(US)];
        machine.spawn_on(n as usize % 8, spec(), steps);
    }
    machine.run_until(u64::MAX);
    assert_eq!(machine.finished, 4096);
    assert!(Runtime::thread_from(&machine.sched, 0).is_none());
}
