//! Disturbs the scheduler at its race points ([`smp::chaos`]): random delays and forced
//! preemptions, from a seed. Only in kernels built with the feature `chaos` (`make chaos`).
//!
//! `weft.chaos=SEED` sets the seed, `weft.chaos` alone draws one; without it nothing is disturbed.
//! Each CPU draws from a sequence of its own, so under `-icount` a seed repeats its run exactly.

use crate::arch;
use crate::machine::Machine;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use percpu::cpu_local;
use smp::chaos::{Disturbance, RacePoint};

static SEED: AtomicU64 = AtomicU64::new(0);

cpu_local! {
    /// Where this CPU is in its sequence; 0: not begun.
    static SEQUENCE: AtomicU64 = AtomicU64::new(0);
}

/// Reads the seed; says it, so that a run can be repeated.
pub fn init(machine: &Machine) {
    let Some(word) = machine.option("weft.chaos") else {
        return;
    };
    let seed = word.parse().unwrap_or_else(|_| arch::ticks() & 0xffff_ffff);
    SEED.store(seed.max(1), Relaxed);
    log::info!("chaos: seed {}", seed.max(1));
}

/// The seed, for the panic message; `None` when nothing is disturbed.
pub fn seed() -> Option<u64> {
    Some(SEED.load(Relaxed)).filter(|&seed| seed != 0)
}

/// Maybe wastes time at a race point, maybe asks for a preemption. IRQs masked.
pub fn disturb(point: RacePoint) -> Disturbance {
    let Some(seed) = seed() else {
        return Disturbance::None;
    };
    let draw = next(seed) ^ (point as u64) << 7;
    match draw % 64 {
        0 => delay(draw >> 8 & 0xffff),
        1..4 => delay(draw >> 8 & 0x7ff),
        4..6 => return Disturbance::Preempt,
        _ => {}
    }
    Disturbance::None
}

/// xorshift64* of this CPU.
fn next(seed: u64) -> u64 {
    let sequence = SEQUENCE.any();
    let mut state = sequence.load(Relaxed);
    if state == 0 {
        let cpu = percpu::cpu_id().index() as u64 + 1;
        state = (seed ^ cpu.wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1);
    }
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    sequence.store(state, Relaxed);
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

/// Up to 65 us, mostly up to 2: what an interrupt, a cache miss or a host may take.
fn delay(ns: u64) {
    let end = arch::now_ns() + ns;
    while arch::now_ns() < end {
        percpu::spin_hint();
    }
}
