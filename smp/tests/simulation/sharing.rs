//! Hogs: shares by weight, spread over the CPUs that they may use.

use crate::machine::{MS, Machine, Step, US};
use crate::{cpus, jain, spec};
use smp::{CpuId, CpuSet, Runtime};

#[test]
#[cfg_attr(miri, ignore = "long")]
fn hogs_share_one_cpu_by_weight() {
    let mut machine = Machine::new(1, 1);
    let a = machine.hog(spec());
    let b = machine.hog(spec().nice(5));
    machine.run_until(4000 * MS);
    let ratio = a.stats_at(machine.now()).run_ns as f64 / b.stats_at(machine.now()).run_ns as f64;
    assert!(
        (2.9..3.2).contains(&ratio),
        "weights 1024 and 335, got {ratio}"
    );
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn two_hogs_a_cpu_are_fair() {
    let mut machine = Machine::new(4, 4);
    let hogs: Vec<_> = (0..8).map(|_| machine.hog(spec())).collect();
    machine.run_until(3000 * MS);
    let index = jain(&machine, &hogs);
    assert!(index >= 0.99, "Jain {index}");
    assert!(
        machine.wasted_ns < 3 * MS,
        "wasted {} ns",
        machine.wasted_ns
    );
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn sixteen_hogs_spread_over_four_cpus() {
    let mut machine = Machine::new(4, 4);
    let hogs: Vec<_> = (0..16).map(|_| machine.hog(spec())).collect();
    machine.run_until(2000 * MS);
    assert!(
        jain(&machine, &hogs) >= 0.99,
        "Jain {}",
        jain(&machine, &hogs)
    );
    for hog in &hogs {
        let share = hog.stats_at(machine.now()).run_ns as f64 / (2000.0 * MS as f64);
        assert!((0.225..0.275).contains(&share), "share {share}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn affinity_moves_a_running_thread_at_once_and_for_good() {
    let mut machine = Machine::new(4, 4);
    let hogs: Vec<_> = (0..8).map(|_| machine.hog(spec())).collect();
    machine.run_until(50 * MS);
    for (n, hog) in hogs.iter().enumerate() {
        let only = CpuId::new(n % 4);
        machine.set_affinity(hog, &CpuSet::single(only));
        machine.run_until(machine.now() + 10 * US);
        assert_eq!(hog.cpu(), only);
    }
    machine.run_until(1000 * MS);
    assert!(
        hogs.iter()
            .enumerate()
            .all(|(n, hog)| hog.cpu() == CpuId::new(n % 4))
    );
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn restricted_threads_spread_over_the_cpus_they_may_use() {
    let mut machine = Machine::new(4, 4);
    let hogs: Vec<_> = (0..6)
        .map(|_| machine.hog(spec().affinity(cpus("1-3"))))
        .collect();
    machine.run_until(2000 * MS);
    assert!(
        jain(&machine, &hogs) > 0.98,
        "Jain {}",
        jain(&machine, &hogs)
    );
    assert_eq!(
        Runtime::cpu_stats(&machine.sched, CpuId::new(0)).switches(),
        0
    );
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn yield_takes_turns() {
    let mut machine = Machine::new(1, 1);
    let turns = vec![Step::Run(10 * US), Step::Yield, Step::Repeat(1_000_000)];
    let threads: Vec<_> = (0..3)
        .map(|_| machine.spawn(spec(), turns.clone()))
        .collect();
    machine.run_until(100 * MS);
    assert!(jain(&machine, &threads) > 0.999);
    assert!(
        threads
            .iter()
            .all(|thread| thread.stats_at(machine.now()).voluntary > 3000)
    );
}
