//! Floating-point and vector registers: nobody may find another's values in them.

use crate::cpus::{allowed, stay_on};
use crate::harness::{Outcome, Test, child, succeeds};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};

pub const TESTS: &[Test] = &[
    ("fp.threads_keep_their_own", threads_keep_their_own),
    ("fp.child_inherits", child_inherits),
    ("fp.handler_does_not_disturb", handler_does_not_disturb),
    ("fp.survives_migration", survives_migration),
    ("fp.outlives_disuse", outlives_disuse),
];

/// A long chain of rounding that only the right registers carry to the right end.
fn chain(seed: u32, rounds: u32, mut between: impl FnMut()) -> [f64; 8] {
    let mut values: [f64; 8] = std::array::from_fn(|index| f64::from(seed) + index as f64 / 7.0);
    for round in 0..rounds {
        for value in &mut values {
            *value = (*value * 1.000_1 + 0.1) % 1_000.0;
        }
        if round % 256 == 0 {
            between();
        }
    }
    values
}

fn threads_keep_their_own() -> Outcome {
    let threads: Vec<_> = (0..16_u32)
        .map(|seed| {
            std::thread::spawn(move || {
                let expected = chain(seed, 50_000, || {});
                (0..4).all(|_| chain(seed, 50_000, std::thread::yield_now) == expected)
            })
        })
        .collect();
    ensure!(
        threads
            .into_iter()
            .all(|thread| thread.join().unwrap_or(false))
    );
    Ok(())
}

fn child_inherits() -> Outcome {
    let expected = chain(3, 10_000, || {});
    for _ in 0..10 {
        let mut children = Vec::new();
        let found = chain(3, 10_000, || {
            if children.len() < 8 {
                children.push(child(|| i32::from(chain(9, 1_000, || {}) == expected)));
            }
        });
        ensure!(found == expected);
        for pid in children {
            succeeds(pid?)?;
        }
    }
    Ok(())
}

extern "C" fn disturb(_: i32) {
    std::hint::black_box(chain(1_234, 300, || {}));
}

fn handler_does_not_disturb() -> Outcome {
    let action = SigAction::new(
        SigHandler::Handler(disturb),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler computes only.
    unsafe { sigaction(Signal::SIGUSR1, &action) }?;
    let expected = chain(5, 50_000, || {});
    let found = chain(5, 50_000, || raise(Signal::SIGUSR1).unwrap_or(()));
    ensure!(found == expected);
    Ok(())
}

fn survives_migration() -> Outcome {
    let cpus = allowed()?;
    let threads: Vec<_> = (0..8_u32)
        .map(|seed| {
            let cpus = cpus.clone();
            std::thread::spawn(move || {
                let expected = chain(seed, 50_000, || {});
                let mut turn = seed as usize;
                let found = chain(seed, 50_000, || {
                    turn += 1;
                    let _ = stay_on(cpus[turn % cpus.len()]);
                });
                found == expected
            })
        })
        .collect();
    ensure!(
        threads
            .into_iter()
            .all(|thread| thread.join().unwrap_or(false))
    );
    Ok(())
}

/// Sets two registers, yields `times` without touching any, and looks whether they are as they were.
#[cfg(target_arch = "aarch64")]
fn stays(value: u64, times: u64) -> bool {
    let (low, high): (u64, u64);
    // SAFETY: sched_yield (124) changes x0 alone, and what else is changed is named.
    unsafe {
        std::arch::asm!(
            "dup v8.2d, {value}",
            "dup v31.2d, {value}",
            "2:",
            "mov x8, #124",
            "svc #0",
            "subs {times}, {times}, #1",
            "b.ne 2b",
            "umov {low}, v8.d[0]",
            "umov {high}, v31.d[1]",
            value = in(reg) value,
            times = inout(reg) times => _,
            low = out(reg) low,
            high = out(reg) high,
            out("x0") _,
            out("x8") _,
            out("v8") _,
            out("v31") _,
        );
    }
    (low, high) == (value, value)
}

#[cfg(target_arch = "x86_64")]
fn stays(value: u64, times: u64) -> bool {
    let (low, high): (u64, u64);
    // SAFETY: sched_yield (24) changes rax, rcx and r11 alone, and what else is changed is named.
    unsafe {
        std::arch::asm!(
            "movq xmm8, {value}",
            "movq xmm15, {value}",
            "2:",
            "mov eax, 24",
            "syscall",
            "dec {times}",
            "jnz 2b",
            "movq {low}, xmm8",
            "movq {high}, xmm15",
            value = in(reg) value,
            times = inout(reg) times => _,
            low = out(reg) low,
            high = out(reg) high,
            out("rax") _,
            out("rcx") _,
            out("r11") _,
            out("xmm8") _,
            out("xmm15") _,
        );
    }
    (low, high) == (value, value)
}

/// A kernel may leave the registers of a thread that does not use them to others: for a few runs,
/// or for many.
fn outlives_disuse() -> Outcome {
    let threads: Vec<_> = (1..=16_u64)
        .map(|seed| std::thread::spawn(move || (0..200).all(|round| stays(seed, 1 + round))))
        .collect();
    ensure!(
        threads
            .into_iter()
            .all(|thread| thread.join().unwrap_or(false))
    );
    Ok(())
}
