//! Clusters, slow and fast CPUs, memory nodes, and saving power: who runs where.

use crate::machine::{MS, Machine, Step, US};
use crate::spec;
use smp::{CpuId, CpuSet, Phase, Policy, Runtime, ThreadRef, Topology};

/// CPUs 0 to 3 slow, 4 to 7 fast, a cluster each.
fn big_little() -> Machine {
    let slow_first = |cpu: usize| if cpu < 4 { 400 } else { 1024 };
    Machine::with_topology(Topology::uniform(8, 4).with_capacity(slow_first))
}

/// Two nodes of four CPUs each.
fn two_nodes() -> Machine {
    let distance = vec![vec![10, 40], vec![40, 10]];
    Machine::with_topology(Topology::uniform(8, 4).with_nodes(|cpu| (cpu / 4) as u16, distance))
}

fn is_on(thread: &ThreadRef, cpus: std::ops::Range<usize>) -> bool {
    cpus.contains(&thread.cpu().index())
}

fn busy(machine: &Machine, cpus: std::ops::Range<usize>) -> usize {
    let runs = |&cpu: &usize| machine.sched.cpu_stats(CpuId::new(cpu)).current.is_some();
    cpus.filter(runs).count()
}

/// Runs a tenth of the time.
fn light() -> Vec<Step> {
    vec![
        Step::Run(500 * US),
        Step::Sleep(5 * MS),
        Step::Repeat(u64::MAX),
    ]
}

#[test]
fn heavy_threads_move_to_fast_cpus() {
    let mut machine = big_little();
    let hogs: Vec<_> = (0..4)
        .map(|cpu| machine.spawn_on(cpu, spec(), vec![Step::Run(u64::MAX / 2)]))
        .collect();
    assert!(hogs.iter().all(|hog| is_on(hog, 0..4)), "born where made");
    machine.run_until(200 * MS);
    assert!(hogs.iter().all(|hog| is_on(hog, 4..8)), "all are heavy now");
    let moves: u64 = hogs
        .iter()
        .map(|hog| hog.stats_at(machine.now()).migrations)
        .sum();
    assert_eq!(moves, 4, "one move each");
}

#[test]
fn more_heavy_threads_than_fast_cpus_use_the_slow_ones_too() {
    let mut machine = big_little();
    for _ in 0..8 {
        machine.hog(spec());
    }
    machine.run_until(200 * MS);
    assert_eq!(busy(&machine, 0..8), 8);
    assert!(machine.wasted_ns < MS, "wasted {} ns", machine.wasted_ns);
}

#[test]
fn a_heavy_sleeper_wakes_on_a_fast_cpu() {
    let mut machine = big_little();
    let life = vec![Step::Run(20 * MS), Step::Sleep(MS), Step::Repeat(u64::MAX)];
    let heavy = machine.spawn_on(0, spec(), life);
    machine.run_until(500 * MS);
    assert!(is_on(&heavy, 4..8));
}

#[test]
fn who_slept_long_is_no_longer_heavy() {
    let mut machine = big_little();
    machine.set_power_saving(true);
    let life = vec![
        Step::Run(100 * MS),
        Step::Sleep(500 * MS),
        Step::Run(MS),
        Step::Sleep(1000 * MS),
    ];
    let thread = machine.spawn(spec(), life);
    machine.run_until(99 * MS);
    assert!(is_on(&thread, 4..8));
    machine.run_until(700 * MS);
    assert!(is_on(&thread, 0..4));
}

#[test]
fn a_bound_heavy_thread_stays() {
    let mut machine = big_little();
    let bound = machine.hog(spec().affinity(crate::cpus("1-2")));
    machine.run_until(500 * MS);
    assert!(is_on(&bound, 1..3));
    assert_eq!(bound.stats_at(machine.now()).migrations, 0);
}

#[test]
fn light_threads_stay_near_unless_power_is_saved() {
    for saving in [false, true] {
        let mut machine = big_little();
        machine.set_power_saving(saving);
        let threads: Vec<_> = (0..3)
            .map(|n| machine.spawn_on(4 + n, spec(), light()))
            .collect();
        machine.run_until(200 * MS);
        let place = if saving { 0..4 } else { 4..8 };
        for thread in &threads {
            assert!(
                is_on(thread, place.clone()),
                "saving {saving}: {}",
                thread.cpu()
            );
        }
    }
}

#[test]
fn saving_power_fills_one_cluster_before_the_next() {
    let spread = [(false, 2), (true, 4)];
    for (saving, in_first) in spread {
        let mut machine = Machine::new(8, 4);
        machine.set_power_saving(saving);
        for cpu in [0, 4, 1, 5] {
            let life = vec![Step::Run(MS), Step::Sleep(MS), Step::Run(u64::MAX / 2)];
            machine.spawn_on(cpu, spec(), life);
        }
        machine.run_until(50 * MS);
        assert_eq!(busy(&machine, 0..4), in_first, "saving {saving}");
        assert_eq!(
            busy(&machine, 0..8),
            4,
            "nobody waits for the sake of power"
        );
    }
}

/// On each CPU that is named a hog that has run a while.
fn hogs_on(machine: &mut Machine, cpus: &[usize]) -> Vec<ThreadRef> {
    let hog = |&cpu| machine.spawn_on(cpu, spec(), vec![Step::Run(u64::MAX / 2)]);
    let hogs: Vec<_> = cpus.iter().map(hog).collect();
    machine.run_until(50 * MS);
    for (hog, &cpu) in hogs.iter().zip(cpus) {
        assert_eq!(hog.cpu().index(), cpu, "nobody has a reason to move yet");
    }
    hogs
}

#[test]
fn who_runs_moves_to_the_cluster_that_is_filled_first_when_power_is_to_be_saved() {
    let mut machine = Machine::new(12, 4);
    let hogs = hogs_on(&mut machine, &[1, 5, 9, 10]);
    machine.set_power_saving(true);
    machine.run_until(100 * MS);
    assert_eq!(busy(&machine, 0..4), 4);
    assert_eq!(machine.pending_timers(), 0, "nobody looks for more");
    machine.run_until(200 * MS);
    let moves = hogs
        .iter()
        .map(|hog| hog.stats_at(machine.now()).migrations);
    assert_eq!(moves.collect::<Vec<_>>(), [0, 1, 1, 1]);
    assert!(machine.wasted_ns < MS, "wasted {} ns", machine.wasted_ns);
}

#[test]
fn room_in_an_earlier_cluster_is_used_when_it_comes() {
    let mut machine = Machine::new(8, 4);
    machine.set_power_saving(true);
    let life = vec![Step::Run(100 * MS)];
    (0..4).for_each(|cpu| drop(machine.spawn_on(cpu, spec(), life.clone())));
    let last = machine.hog(spec());
    machine.run_until(90 * MS);
    assert!(is_on(&last, 4..8));
    machine.run_until(110 * MS);
    assert!(is_on(&last, 0..4));
}

#[test]
fn heavy_and_bound_threads_stay_though_power_is_to_be_saved() {
    let mut machine = big_little();
    let heavy = hogs_on(&mut machine, &[4, 5]);
    let bound = machine.spawn_on(
        6,
        spec().affinity(crate::cpus("6-7")),
        vec![Step::Run(u64::MAX / 2)],
    );
    machine.set_power_saving(true);
    machine.run_until(200 * MS);
    for thread in heavy.iter().chain([&bound]) {
        assert_eq!(thread.stats_at(machine.now()).migrations, 0);
        assert!(is_on(thread, 4..8));
    }
}

#[test]
fn saving_power_still_uses_every_cpu_under_load() {
    let mut machine = Machine::new(8, 4);
    machine.set_power_saving(true);
    for _ in 0..16 {
        machine.hog(spec());
    }
    machine.run_until(100 * MS);
    assert_eq!(busy(&machine, 0..8), 8);
    assert!(machine.wasted_ns < MS, "wasted {} ns", machine.wasted_ns);
}

#[test]
fn work_stays_on_its_node_while_that_has_room() {
    let mut machine = two_nodes();
    for cpu in 0..4 {
        machine.spawn_on(cpu, spec(), light());
    }
    machine.run_until(500 * MS);
    assert_eq!(busy(&machine, 4..8), 0);
    let far: u64 = (4..8)
        .map(|cpu| machine.sched.cpu_stats(CpuId::new(cpu)).switches())
        .sum();
    assert_eq!(far, 0, "nothing ever ran there");
}

/// `count` threads that were bound to CPU 0, where one stays, and now may go anywhere; the other
/// CPUs of their node are busy.
fn set_free(count: usize) -> (Machine, Vec<ThreadRef>) {
    let mut machine = two_nodes();
    let bound = |cpu| spec().affinity(CpuSet::single(CpuId::new(cpu)));
    (0..4).for_each(|cpu| drop(machine.hog(bound(cpu))));
    let free: Vec<_> = (0..count).map(|_| machine.hog(bound(0))).collect();
    machine.run_until(10 * US);
    free.iter()
        .for_each(|thread| machine.set_affinity(thread, &CpuSet::ALL));
    (machine, free)
}

fn far(threads: &[ThreadRef]) -> usize {
    threads.iter().filter(|thread| is_on(thread, 4..8)).count()
}

#[test]
fn real_surplus_crosses_to_the_other_node_at_once() {
    let (mut machine, free) = set_free(4);
    machine.run_until(machine.now() + 100 * US);
    assert!(far(&free) >= 2, "{} have crossed", far(&free));
    machine.run_until(machine.now() + 50 * MS);
    assert_eq!(far(&free), 4);
}

#[test]
fn a_lone_waiting_thread_crosses_at_the_end_of_a_quantum() {
    let (mut machine, free) = set_free(1);
    machine.run_until(machine.now() + 100 * US);
    assert_eq!(far(&free), 0, "its own node might have taken it");
    machine.run_until(machine.now() + 20 * MS);
    assert_eq!(far(&free), 1);
}

/// CPUs 0 and 1 are one group, 2 and 3 the other. All are busy, and on CPU 0 somebody waits.
#[test]
fn who_finds_nobody_idle_goes_to_the_emptier_group() {
    let mut machine = Machine::with_topology(Topology::uniform(4, 2).with_groups(2));
    let batch = || spec().policy(Policy::Batch);
    let life = vec![Step::Run(US), Step::Park, Step::Run(US)];
    let sleeper = machine.spawn_on(2, batch().tid(77), life);
    machine.run_until(machine.now() + 10 * US);
    assert_eq!(sleeper.phase(), Phase::Blocked);
    for cpu in 0..4 {
        let mut life = vec![Step::Run(20 * US), Step::Run(u64::MAX / 2)];
        if cpu == 1 {
            life.insert(1, Step::Wake(77));
        }
        let only = CpuSet::single(CpuId::new(cpu));
        machine.spawn_on(cpu, spec().affinity(only), life);
    }
    let waiting = machine.spawn_on(0, batch(), vec![Step::Run(US)]);
    machine.run_until(machine.now() + 50 * US);
    assert_eq!(waiting.phase(), Phase::Ready);
    assert!(is_on(&waiting, 0..1) && is_on(&sleeper, 2..3));
}
