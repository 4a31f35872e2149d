//! Threads that nobody may steal find their CPU at once: restricted ones an idle one, real-time
//! ones one that runs something less urgent.

use crate::machine::{MS, Machine, Step, US};
use crate::{Random, cpus, spec};
use smp::{CpuId, CpuSet, Policy};

/// The design's bounds: no CPU idle for longer beside a thread it may run, no longer inversion.
const WASTE_NS: u64 = 100 * US;
const INVERSION_NS: u64 = 20 * US;
const FIRST_TID: u32 = 100;

#[test]
fn an_idle_cpu_gets_a_restricted_thread_at_once() {
    let mut machine = Machine::new(4, 4);
    // CPU 1 is busy with a thread of its own, CPU 2 for 3 ms: then it is to have the other.
    machine.hog(spec().affinity(cpus("1")).policy(Policy::Fifo(1)));
    machine.spawn(spec().affinity(cpus("2")), vec![Step::Run(3 * MS)]);
    machine.run_until(MS);
    let waits = machine.hog(spec().affinity(cpus("1-2")));
    machine.set_affinity(&waits, &cpus("1"));
    machine.set_affinity(&waits, &cpus("1-2"));
    machine.run_until(3 * MS + 20 * US);
    assert_eq!(waits.cpu(), CpuId::new(2));
    assert!(
        machine.worst_waste_ns < 20 * US,
        "{} ns",
        machine.worst_waste_ns
    );
}

/// Its priority stays the same, so it keeps its place among those that wait.
#[test]
fn a_waiting_realtime_thread_that_is_let_go_finds_an_idle_cpu() {
    let mut machine = Machine::new(2, 2);
    let urgent = spec().affinity(cpus("0")).policy(Policy::Fifo(50));
    machine.hog(urgent);
    let waits = machine.hog(spec().affinity(cpus("0")).policy(Policy::Fifo(10)));
    machine.run_until(MS);
    assert_eq!(waits.stats_at(machine.now()).runs, 0);
    machine.set_affinity(&waits, &cpus("0-1"));
    machine.run_until(MS + 20 * US);
    assert_eq!(waits.cpu(), CpuId::new(1));
    assert_eq!(waits.stats_at(machine.now()).runs, 1);
}

/// It waits for a thread that should make way and cannot be preempted, when another CPU goes idle.
#[test]
fn an_urgent_thread_does_not_wait_for_one_that_cannot_be_preempted() {
    let mut machine = Machine::new(2, 2);
    machine.hog(spec().affinity(cpus("0")));
    machine.set_preemptible(0, false);
    let busy = spec().affinity(cpus("1")).policy(Policy::Fifo(60));
    machine.spawn(busy, vec![Step::Run(5 * MS)]);
    machine.run_until(MS);
    let urgent = machine.hog(spec().policy(Policy::Fifo(50)));
    machine.run_until(4 * MS);
    assert_eq!(urgent.stats_at(machine.now()).runs, 0);
    machine.run_until(5 * MS + 20 * US);
    assert_eq!(urgent.cpu(), CpuId::new(1));
    assert_eq!(urgent.stats_at(machine.now()).runs, 1);
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn restricted_threads_waste_no_cpu() {
    for seed in 1..=20 {
        let mut random = Random(0x5851_f42d_4c95_7f2d ^ seed);
        let mut machine = Machine::new(4, 2);
        for _ in 0..12 {
            let steps = (0..60).map(|_| match random.below(2) {
                0 => Step::Run(random.below(4000) * US),
                _ => Step::Sleep(random.below(4000) * US + US),
            });
            let steps = steps.collect();
            let set = ["0-1", "1-3", "2", "0,3", "0-3", "3"][random.below(6) as usize];
            let cpu = random.below(4) as usize;
            machine.spawn_on(cpu, spec().affinity(cpus(set)), steps);
        }
        machine.run_until(u64::MAX);
        assert_eq!(machine.finished, 12);
        let worst = machine.worst_waste_ns;
        assert!(worst < WASTE_NS, "seed {seed}: a CPU idle for {worst} ns");
    }
}

/// Threads of both classes are pinned and let go wherever they are, and preempted for no reason.
#[test]
#[cfg_attr(miri, ignore = "long")]
fn pinning_and_letting_go_wastes_no_cpu() {
    const THREADS: u64 = 12;
    for seed in 1..=40 {
        let mut random = Random(0x6a09_e667_f3bc_c908 ^ seed);
        let mut machine = Machine::new(4, 2);
        machine.sched.platform().disturb(random.below(2) * seed);
        for n in 0..THREADS as u32 {
            let step = |random: &mut Random| match random.below(5) {
                0..2 => Step::Run(random.below(4000) * US),
                2..4 => Step::Sleep(random.below(4000) * US + US),
                _ => {
                    let set = ["0", "1", "2-3", "0-3", "0-3"][random.below(5) as usize];
                    Step::SetAffinity(FIRST_TID + random.below(THREADS) as u32, cpus(set))
                }
            };
            let steps = (0..60).map(|_| step(&mut random)).collect();
            let policy = [Policy::Normal, Policy::Fifo(5)][random.below(2) as usize];
            let spec = spec().tid(FIRST_TID + n).policy(policy);
            machine.spawn_on(random.below(4) as usize, spec, steps);
        }
        machine.run_until(u64::MAX);
        assert_eq!(machine.finished, THREADS as usize);
        let worst = machine.worst_waste_ns;
        assert!(worst < WASTE_NS, "seed {seed}: a CPU idle for {worst} ns");
    }
}

/// A fair thread that wakes where a real-time thread spins goes where it gets a share; one that
/// was there already follows at the next tick.
#[test]
#[cfg_attr(miri, ignore = "long")]
fn fair_threads_leave_a_cpu_where_real_time_runs() {
    let mut machine = Machine::new(2, 2);
    machine.hog(spec().affinity(cpus("1")));
    let steps = vec![Step::Run(100 * US), Step::Sleep(5 * MS), Step::Repeat(100)];
    let sleeper = machine.spawn(spec(), steps);
    let stays = machine.hog(spec());
    machine.run_until(MS);
    machine.hog(spec().affinity(cpus("0")).policy(Policy::Fifo(1)));
    machine.run_until(1000 * MS);
    let stats = sleeper.stats_at(machine.now());
    assert_eq!(machine.finished, 1, "it ran {} times", stats.runs);
    let ran = stays.stats_at(machine.now()).run_ns;
    assert!(ran > 400 * MS, "the other ran {ran} ns");
}

#[test]
#[cfg_attr(miri, ignore = "long")]
fn the_most_urgent_run_whatever_happens() {
    for seed in 1..=20 {
        let mut random = Random(0x2545_f491_4f6c_dd1d ^ seed);
        let cpu_count = [2, 4, 8][random.below(3) as usize];
        let mut machine = Machine::new(cpu_count, 4);
        machine.watch_inversions = true;
        (0..cpu_count).for_each(|_| drop(machine.hog(spec())));
        for _ in 0..3 * cpu_count {
            let steps = (0..100).map(|_| match random.below(2) {
                0 => Step::Run(random.below(300) * US),
                _ => Step::Sleep(random.below(600) * US + US),
            });
            let steps = steps.collect();
            let set = match random.below(4) {
                0 => CpuSet::single(CpuId::new(random.below(cpu_count as u64) as usize)),
                1 => CpuSet::first_n(2),
                _ => CpuSet::ALL,
            };
            let policy = Policy::Fifo(random.below(99) as u8 + 1);
            let cpu = random.below(cpu_count as u64) as usize;
            machine.spawn_on(cpu, spec().affinity(set).policy(policy), steps);
        }
        machine.run_until(500 * MS);
        assert_eq!(machine.finished, 3 * cpu_count, "seed {seed}");
        let worst = machine.worst_inversion_ns;
        assert!(
            worst < INVERSION_NS,
            "seed {seed}, {cpu_count} CPUs: inverted for {worst} ns"
        );
    }
}
