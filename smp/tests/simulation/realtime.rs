//! Real time: first, in turns, and never all of the time.

use crate::machine::{MS, Machine, Step, US};
use crate::{jain, spec};
use smp::{Policy, Runtime};

#[test]
#[cfg_attr(miri, ignore = "long")]
fn real_time_runs_first_and_spreads() {
    let mut machine = Machine::new(2, 2);
    (0..4).for_each(|_| drop(machine.hog(spec())));
    machine.run_until(20 * MS);
    let steps = vec![Step::Run(MS), Step::Sleep(5 * MS), Step::Repeat(20)];
    let urgent: Vec<_> = (0..2)
        .map(|_| machine.spawn(spec().policy(Policy::Fifo(10)), steps.clone()))
        .collect();
    machine.run_until(2000 * MS);
    assert_eq!(machine.finished, 2);
    for thread in urgent {
        let stats = thread.stats_at(machine.now());
        assert!(
            stats.wait_ns / stats.runs < 20 * US,
            "{} ns a run",
            stats.wait_ns / stats.runs
        );
        assert_eq!(stats.involuntary, 0);
    }
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn round_robin_takes_turns_and_fifo_does_not() {
    let mut machine = Machine::new(1, 1);
    let turns: Vec<_> = (0..2)
        .map(|_| machine.hog(spec().policy(Policy::RoundRobin(5))))
        .collect();
    machine.run_until(4000 * MS);
    assert!(
        jain(&machine, &turns) > 0.99,
        "Jain {}",
        jain(&machine, &turns)
    );
    let first = machine.hog(spec().policy(Policy::Fifo(6)));
    let second = machine.hog(spec().policy(Policy::Fifo(6)));
    machine.run_until(5000 * MS);
    assert!(
        first.stats_at(machine.now()).run_ns > 999 * MS
            && second.stats_at(machine.now()).run_ns == 0
    );
    machine.set_policy(&first, Policy::Normal);
    machine.run_until(6000 * MS);
    assert!(second.stats_at(machine.now()).run_ns > 900 * MS);
}

/// The machine looks out for timer storms. A turn that ends while only lesser threads wait begins
/// anew; it once was a quantum of no time.
#[test]
#[cfg_attr(miri, ignore = "long")]
fn a_turn_without_equals_begins_anew() {
    for lesser in [Policy::Normal, Policy::Fifo(4), Policy::RoundRobin(4)] {
        let mut machine = Machine::new(1, 1);
        machine.hog(spec().policy(lesser));
        let alone = machine.hog(spec().policy(Policy::RoundRobin(5)));
        machine.run_until(900 * MS);
        let equal = machine.hog(spec().policy(Policy::RoundRobin(5)));
        machine.run_until(1300 * MS);
        assert!(alone.stats_at(machine.now()).run_ns > 1000 * MS);
        assert!(equal.stats_at(machine.now()).run_ns >= 100 * MS);
    }
}

/// The next turn begins when the last one ends, though nobody has asked for one: an equal that comes
/// later waits for the end of it, and so it does when something urgent comes between.
#[test]
fn a_turn_that_nobody_wanted_is_followed_by_a_whole_one() {
    let mut machine = Machine::new(1, 1);
    let robin = || spec().policy(Policy::RoundRobin(5));
    machine.hog(spec());
    machine.hog(robin());
    let urgent = vec![Step::Sleep(160 * MS), Step::Run(MS)];
    machine.spawn(spec().policy(Policy::Fifo(9)), urgent);
    machine.run_until(150 * MS);
    let equal = machine.hog(robin());
    machine.run_until(300 * MS);
    let came = machine.first_run[&equal.tid()];
    assert!((199 * MS..=202 * MS).contains(&came), "at {came} ns");
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn a_real_time_runaway_leaves_a_twentieth() {
    let mut machine = Machine::new(1, 1);
    let fair = machine.hog(spec());
    let runaway = machine.hog(spec().policy(Policy::Fifo(99)));
    machine.run_until(10_000 * MS);
    let share = fair.stats_at(machine.now()).run_ns as f64 / machine.now() as f64;
    assert!((0.045..0.06).contains(&share), "share {share}");
    let rest = runaway.stats_at(machine.now()).run_ns as f64 / machine.now() as f64;
    assert!(rest > 0.93, "share {rest}");
}

/// A period that is shorter than the interrupt at its end. (The machine itself fails on a storm of
/// timers.)
#[test]
#[cfg_attr(miri, ignore = "long")]
fn the_shortest_period_makes_no_storm() {
    let mut machine = Machine::new(1, 1);
    let limit = machine.sched.realtime_limit();
    limit.set_runtime_ns(Some(500)).unwrap();
    limit.set_period_ns(1000).unwrap();
    let policies = [Policy::Normal, Policy::Fifo(99)];
    let hogs = policies.map(|policy| machine.hog(spec().policy(policy)));
    machine.run_until(1000 * MS);
    for hog in hogs {
        let ran = hog.stats_at(machine.now()).run_ns;
        assert!(ran > 400 * MS, "{ran} ns of a second");
    }
}
