//! Small runs with exact expectations: nothing lost, the bound never beaten, the same seed the
//! same digits.

use smp_sim::costs::Costs;
use smp_sim::hardware::{Counts, Hardware, Layout};
use smp_sim::machine::Machine;
use smp_sim::policy::{Kind, TaskSpec};
use smp_sim::workload::{Arrivals, ForkJoin, Messages, Scripts, Size, Step, Workload};

const MS: u64 = 1_000_000;

fn machine<W: Workload>(kind: Kind, cpus: usize, workload: W) -> Machine<W> {
    let hardware = Hardware::new(Layout::flat(cpus, 4), Costs::MEASURED);
    let policy = kind.build(&hardware, 1);
    Machine::new(hardware, policy, workload)
}

/// Requests at load 0.8 for 20 ms, then all the time it takes to serve them.
fn served(kind: Kind, size: Size, seed: u64) -> Machine<Arrivals> {
    let overhead = Costs::MEASURED.least_per_wake_ns();
    let requests = Arrivals::new(8, size, 0.8, overhead, 20 * MS, seed);
    let mut machine = machine(kind, 8, requests);
    machine.run_until(100 * MS);
    machine
}

#[test]
fn every_policy_serves_every_request() {
    for kind in Kind::ALL {
        let machine = served(kind, Size::Bimodal, 3);
        assert_eq!(machine.waiting(), 0, "{}", kind.name());
        let requests = machine.workload.requests;
        assert!(requests > 1_000);
        // Each worker runs once when it is made, and once for each request.
        let initial = u64::from(machine.workload.initial());
        assert_eq!(
            machine.measure.delay.count(),
            requests + initial,
            "{}",
            kind.name()
        );
        let work = machine.measure.run_ns.iter().sum::<u64>();
        assert!(work >= machine.workload.asked_ns, "{}", kind.name());
    }
}

/// With equal requests, first come first served by whoever is free first is the best there is.
#[test]
fn nobody_beats_the_bound() {
    for seed in 1..=3 {
        let bound = served(Kind::Central, Size::Equal, seed)
            .measure
            .waiting
            .mean();
        for kind in Kind::ALL {
            let mean = served(kind, Size::Equal, seed).measure.waiting.mean();
            assert!(mean >= bound, "{}: {mean} < {bound}", kind.name());
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_digits() {
    for kind in Kind::ALL {
        let digits = |seed| {
            let machine = served(kind, Size::Exponential, seed);
            let counts: Counts = machine.hardware().counts();
            let delay = &machine.measure.delay;
            (counts, delay.quantile(0.99), delay.mean().to_bits())
        };
        assert_eq!(digits(5), digits(5), "{}", kind.name());
        assert_ne!(digits(5), digits(6), "{}", kind.name());
    }
}

#[test]
fn bursts_and_messages_come_to_their_end() {
    for kind in Kind::ALL {
        let mut burst = machine(kind, 8, ForkJoin::new(8, 5, 1));
        burst.run_until(100 * MS);
        assert_eq!(burst.workload.spans.len(), 5, "{}", kind.name());
        let mut rally = machine(kind, 2, Messages::new(3, 5_000));
        rally.run_until(10 * MS);
        assert!(rally.workload.sent > 500, "{}", kind.name());
    }
}

#[test]
fn weft_wakes_a_sleeper_at_its_deadline() {
    let steps = vec![Step::Run(1_000), Step::SleepUntil(5 * MS), Step::Run(1_000)];
    let script = Scripts::default().thread(TaskSpec::default(), 1, steps);
    let mut machine = machine(Kind::Weft, 2, script);
    machine.run_until(5 * MS + MS / 10);
    assert_eq!(machine.alive(), 0);
    assert!(
        machine.measure.delay.max() < 10_000,
        "late by {}",
        machine.measure.delay.max()
    );
}
