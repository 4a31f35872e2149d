//! The real scheduler on a simulated machine: nobody lost, nobody misplaced, shares as they
//! should be.

mod fairness;
mod handing_on;
mod lessons;
mod machine;
mod offline;
mod parameters;
mod topology;

use machine::{MS, Machine, Step, US};
use smp::{CpuId, CpuSet, Params, Policy, Runtime, ThreadRef, ThreadSpec};

pub fn cpus(list: &str) -> CpuSet {
    CpuSet::parse_list(list).unwrap()
}

pub fn spec() -> ThreadSpec {
    ThreadSpec::new("simulated", || {})
}

/// Jain's index of the CPU times: 1 is perfectly fair.
fn jain(machine: &Machine, threads: &[ThreadRef]) -> f64 {
    let times: Vec<f64> = threads
        .iter()
        .map(|t| t.stats_at(machine.now()).run_ns as f64)
        .collect();
    let sum: f64 = times.iter().sum();
    sum * sum / (times.len() as f64 * times.iter().map(|t| t * t).sum::<f64>())
}

#[test]
fn one_thread_runs_and_ends() {
    let mut machine = Machine::new(1, 1);
    machine.spawn(spec(), vec![Step::Run(MS), Step::Sleep(MS), Step::Run(MS)]);
    machine.run_until(10 * MS);
    assert_eq!(machine.finished, 1);
    assert_eq!(machine.sched.reap(), 0);
    assert!(smp::Runtime::thread_from(&machine.sched, 0).is_none());
}

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
fn a_burst_reaches_every_cpu_at_once() {
    let cpu_counts: &[usize] = if cfg!(miri) { &[2] } else { &[2, 4, 64] };
    for &cpu_count in cpu_counts {
        let mut machine = Machine::new(cpu_count, 8);
        let children =
            (1..=2 * cpu_count as u32).map(|n| Step::Spawn(100 + n, vec![Step::Run(20 * MS)]));
        machine.spawn(spec(), children.collect());
        machine.run_until(10 * MS);
        let busy = (0..cpu_count).filter(|&cpu| {
            smp::Runtime::cpu_stats(&machine.sched, CpuId::new(cpu))
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
        smp::Runtime::cpu_stats(&machine.sched, CpuId::new(0)).switches(),
        0
    );
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
        let stats = smp::Runtime::cpu_stats(&machine.sched, CpuId::new(cpu));
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
    assert!(smp::Runtime::thread_from(&machine.sched, 0).is_none());
}

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

/// A small deterministic generator: each test names its seed.
pub struct Random(u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

const POLICIES: [Policy; 5] = [
    Policy::Normal,
    Policy::Batch,
    Policy::Idle,
    Policy::Fifo(3),
    Policy::RoundRobin(7),
];

#[test]
fn chaos_loses_nobody() {
    for seed in 1..=if cfg!(miri) { 1 } else { 20 } {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ seed);
        let cpu_count = [1, 2, 3, 4, 8][random.below(5) as usize];
        let mut machine = Machine::new(cpu_count, 2);
        let count = if cfg!(miri) { 8 } else { 40 };
        for n in 0..count {
            let steps: Vec<_> = (0..30)
                .map(|_| match random.below(11) {
                    0..4 => Step::Run(random.below(3000) * US / 10),
                    4..6 => Step::Sleep(random.below(2000) * US / 10),
                    6 => Step::Yield,
                    7 => Step::Wake(100 + random.below(count) as u32),
                    8 => {
                        let cpu = CpuId::new(random.below(cpu_count as u64) as usize);
                        let set = [CpuSet::ALL, CpuSet::single(cpu)][random.below(2) as usize];
                        Step::SetAffinity(100 + random.below(count) as u32, set)
                    }
                    9 => {
                        let policy = POLICIES[random.below(5) as usize];
                        let nice = random.below(40) as i8 - 20;
                        let params = Params { policy, nice };
                        Step::SetParams(100 + random.below(count) as u32, params)
                    }
                    _ => Step::Run(0),
                })
                .collect();
            let policy = POLICIES[random.below(5) as usize];
            let policy = if n % 4 == 0 { policy } else { Policy::Normal };
            let spec = spec()
                .tid(100 + n as u32)
                .policy(policy)
                .nice(random.below(40) as i8 - 20);
            let cpu = random.below(cpu_count as u64) as usize;
            machine.spawn_on(cpu, spec, steps);
        }
        machine.run_until(u64::MAX);
        assert_eq!(machine.finished, count as usize, "seed {seed}");
        assert_eq!(machine.ready(), 0);
        assert_eq!(machine.pending_timers(), 0);
    }
}
