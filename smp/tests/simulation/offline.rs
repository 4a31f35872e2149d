//! CPUs go off and come back under load.

use crate::machine::{MS, Machine, Step, US};
use crate::{Random, cpus, spec};
use smp::{CpuId, CpuSet, OfflineError, Policy, Runtime};

#[test]
fn what_a_cpu_had_goes_on_elsewhere() {
    let mut machine = Machine::new(4, 2);
    let hogs: Vec<_> = (0..8).map(|_| machine.hog(spec())).collect();
    let sleeper = vec![Step::Sleep(50 * MS), Step::Run(MS)];
    for cpu in 0..4 {
        machine.spawn_on(cpu, spec(), sleeper.clone());
    }
    machine.run_until(20 * MS);
    for cpu in [3, 1, 0] {
        machine.take_off(cpu, 2).unwrap();
        machine.run_until(machine.now() + MS);
        assert!(machine.is_off(cpu));
        assert_eq!(machine.sched.cpu_stats(CpuId::new(cpu)).nr_ready, 0);
    }
    assert_eq!(machine.take_off(2, 2), Err(OfflineError::LastCpu));
    assert_eq!(machine.take_off(3, 2), Err(OfflineError::NotOnline));
    machine.run_until(500 * MS);
    assert!(hogs.iter().all(|hog| hog.cpu() == CpuId::new(2)));
    assert_eq!(
        machine.finished, 4,
        "sleepers wake although their CPU is off"
    );
    for cpu in [0, 1, 3] {
        machine.bring_back(cpu);
    }
    machine.run_until(1000 * MS);
    for cpu in 0..4 {
        let there = hogs.iter().filter(|hog| hog.cpu() == CpuId::new(cpu));
        assert_eq!(there.count(), 2, "on CPU {cpu}");
    }
}

#[test]
fn an_affinity_is_lifted_only_where_it_must_be() {
    let mut machine = Machine::new(4, 4);
    let lonely = machine.hog(spec().affinity(cpus("3")));
    let choosy = machine.hog(spec().affinity(cpus("2-3")));
    let wakes = vec![Step::Sleep(5 * MS), Step::Run(MS), Step::Sleep(50 * MS)];
    let asleep = machine.spawn(spec().affinity(cpus("3")), wakes);
    machine.run_until(MS);
    machine.take_off(3, 0).unwrap();
    machine.run_until(2 * MS);
    assert_eq!(lonely.affinity(), CpuSet::ALL);
    assert_eq!(choosy.affinity(), cpus("2-3"));
    assert_eq!(
        asleep.affinity(),
        CpuSet::ALL,
        "it was disturbed in its sleep"
    );
    let refused = machine.sched.set_affinity(&choosy, &cpus("3"));
    assert!(refused.is_err(), "no CPU of the set is online");
    machine.run_until(20 * MS);
    assert_eq!(choosy.cpu(), CpuId::new(2));
    assert_ne!(lonely.cpu(), CpuId::new(3));
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn a_thousand_cycles_under_load_lose_nobody() {
    for seed in 1..=4 {
        let mut random = Random(0x51ed_270b_4c62_9dc3 ^ seed);
        let cpu_count = [2, 4, 8, 12][seed as usize - 1];
        let mut machine = Machine::new(cpu_count, 4);
        for n in 0..24 {
            let life = vec![
                Step::Run(random.below(500) * US),
                Step::Sleep(random.below(500) * US),
                Step::Wake(100 + random.below(24) as u32),
                Step::Yield,
                Step::Repeat(400),
            ];
            let policy = match n % 5 {
                0 => Policy::Fifo(1 + n as u8),
                _ => Policy::Normal,
            };
            let pinned = CpuId::new(random.below(cpu_count as u64) as usize);
            let mut spec = spec().tid(100 + n).policy(policy);
            if n % 3 == 0 {
                spec = spec.affinity(CpuSet::single(pinned));
            }
            machine.spawn(spec, life);
        }
        let mut cycles = 0;
        while cycles < 1000 {
            machine.run_until(machine.now() + random.below(300) * US);
            let cpu = random.below(cpu_count as u64) as usize;
            let by = (0..cpu_count).find(|&by| !machine.is_off(by) && by != cpu);
            if machine.is_off(cpu) {
                machine.bring_back(cpu);
                cycles += 1;
            } else if let Some(by) = by {
                let _ = machine.take_off(cpu, by);
            }
        }
        machine.run_until(u64::MAX);
        assert_eq!(machine.finished, 24, "seed {seed}");
        assert_eq!(machine.ready(), 0);
    }
}
