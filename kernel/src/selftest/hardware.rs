//! What the processor does: clocks, FP registers, memory ordering.

use super::{Outcome, check, on_every_cpu};
use crate::arch::FpState;
use crate::arch::{self, FpRegisters};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};

/// The clock never goes backwards, not even from one CPU to another.
pub fn clock_moves_on_every_cpu() -> Outcome {
    let backwards = Arc::new(AtomicUsize::new(0));
    let latest = Arc::new(core::sync::atomic::AtomicU64::new(0));
    let seen = backwards.clone();
    on_every_cpu(move |_| {
        for _ in 0..2000 {
            let before = latest.load(Ordering::Acquire);
            let now = arch::now_ns();
            if now < before {
                seen.fetch_add(1, Ordering::Relaxed);
            }
            latest.fetch_max(now, Ordering::Release);
        }
    });
    check(
        backwards.load(Ordering::Relaxed) == 0,
        "the clock went backwards between CPUs",
    )
}

fn pattern(seed: u128) -> FpRegisters {
    let mut registers = FpRegisters::default();
    registers
        .v
        .iter_mut()
        .enumerate()
        .for_each(|(index, value)| *value = seed << 8 | index as u128);
    registers.fpcr = 1 << 22;
    registers
}

/// Two owners taking turns on one CPU each find what they left.
pub fn fp_registers_follow_their_owner() -> Outcome {
    let masked = percpu::irq::mask();
    let (first, second) = (FpState::new(), FpState::new());
    first.change(|to| *to = pattern(1));
    second.change(|to| *to = pattern(2));
    for _ in 0..2 {
        first.load(&masked);
        check(
            first.inspect(|held| *held == pattern(1)),
            "the first owner's registers changed",
        )?;
        first.save(&masked);
        second.load(&masked);
        check(
            second.inspect(|held| *held == pattern(2)),
            "the second owner's registers changed",
        )?;
        second.save(&masked);
    }
    Ok(())
}

/// The shared words of one store-buffer round; on lines of their own.
#[repr(align(128))]
#[derive(Default)]
struct Word(AtomicU32);

#[derive(Default)]
struct Litmus {
    stored: [Word; 2],
    seen: [Word; 2],
    arrived: Word,
}

impl Litmus {
    const ROUNDS: u32 = 20_000;

    /// Waits until both sides are here for the `count`th time.
    fn meet(&self, count: u32) {
        self.arrived.0.fetch_add(1, Ordering::AcqRel);
        while self.arrived.0.load(Ordering::Acquire) < 2 * count {
            percpu::spin_hint();
        }
    }

    /// One side: stores its own word, fences, looks at the other's.
    fn side(&self, own: usize) -> usize {
        let mut forbidden = 0;
        for round in 1..=Self::ROUNDS {
            self.meet(2 * round - 1);
            self.stored[own].0.store(round, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            let other = self.stored[1 - own].0.load(Ordering::Relaxed);
            self.seen[own].0.store(other, Ordering::Relaxed);
            self.meet(2 * round);
            let missed = |side: usize| self.seen[side].0.load(Ordering::Relaxed) < round;
            forbidden += usize::from(missed(0) && missed(1));
        }
        forbidden
    }
}

/// The scheduler's handshakes (idle against wake) rest on this: with a full fence between a store
/// and a load on both sides, at least one side sees the other's store.
pub fn fences_order_stores_before_loads() -> Outcome {
    if smp::online_cpus().count() < 2 {
        return Ok(());
    }
    let litmus = Arc::new(Litmus::default());
    let forbidden = Arc::new(AtomicUsize::new(0));
    let found = forbidden.clone();
    on_every_cpu(move |index| {
        if index < 2 {
            found.fetch_add(litmus.side(index), Ordering::Relaxed);
        }
    });
    check(
        forbidden.load(Ordering::Relaxed) == 0,
        "both CPUs missed the other's store",
    )
}
