//! Random lives on random machines.

use crate::machine::{Machine, Step, US};
use crate::{Random, spec};
use smp::{CpuId, CpuSet, Params, Policy};

const FIRST_TID: u32 = 100;
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
        let cpus = [1, 2, 3, 4, 8][random.below(5) as usize];
        let threads = if cfg!(miri) { 8 } else { 40 };
        let mut machine = Machine::new(cpus as usize, 2);
        for n in 0..threads {
            let steps = (0..30).map(|_| any_step(&mut random, cpus, threads));
            let steps = steps.collect();
            let policy = POLICIES[random.below(5) as usize];
            let policy = if n % 4 == 0 { policy } else { Policy::Normal };
            let nice = any_nice(&mut random);
            let spec = spec().tid(FIRST_TID + n as u32).policy(policy).nice(nice);
            machine.spawn_on(random.below(cpus) as usize, spec, steps);
        }
        machine.run_until(u64::MAX);
        assert_eq!(machine.finished, threads as usize, "seed {seed}");
        assert_eq!(machine.ready(), 0);
        assert_eq!(machine.pending_timers(), 0);
    }
}

fn any_step(random: &mut Random, cpus: u64, threads: u64) -> Step {
    match random.below(11) {
        0..4 => Step::Run(random.below(3000) * US / 10),
        4..6 => Step::Sleep(random.below(2000) * US / 10),
        6 => Step::Yield,
        7 => Step::Wake(any_thread(random, threads)),
        8 => {
            let cpu = CpuId::new(random.below(cpus) as usize);
            let set = [CpuSet::ALL, CpuSet::single(cpu)][random.below(2) as usize];
            Step::SetAffinity(any_thread(random, threads), set)
        }
        9 => {
            let policy = POLICIES[random.below(5) as usize];
            let nice = any_nice(random);
            Step::SetParams(any_thread(random, threads), Params { policy, nice })
        }
        _ => Step::Run(0),
    }
}

fn any_thread(random: &mut Random, threads: u64) -> u32 {
    FIRST_TID + random.below(threads) as u32
}

fn any_nice(random: &mut Random) -> i8 {
    random.below(40) as i8 - 20
}
