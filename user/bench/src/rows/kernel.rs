//! What only the kernel can count: interrupts between CPUs, ticks, and where the time went.

use super::{Row, row};
use crate::counters::Counters;
use crate::cpus;
use crate::measure::{Outcome, Plan, Trouble, count};
use crate::word::Word;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub const ROWS: &[Row] = &[
    row(
        "wake-ipis",
        "interrupts for each wake of a thread on an idle CPU",
        single_wakes,
    ),
    row(
        "burst-ipis",
        "interrupts for 32 wakes at once of threads on one idle CPU, that compute when woken",
        burst_of_wakes,
    ),
    row(
        "idle-ticks",
        "timer interrupts in an idle second on each CPU, and time not in WFI",
        idle,
    ),
    row(
        "accounting",
        "time that no account has, of a second, in thousandths",
        accounting,
    ),
];

/// Long enough for every CPU to have gone idle.
const REST: Duration = Duration::from_millis(2);

fn single_wakes(plan: Plan) -> Outcome {
    let sides = cpus::across()?;
    cpus::pin(sides.here)?;
    let word = Word::new(0);
    let rounds = 20 * plan.samples as u32;
    let sent = thread::scope(|scope| {
        scope.spawn(|| {
            if cpus::pin(sides.there).is_ok() {
                (0..rounds).for_each(|round| {
                    word.wait_while(round);
                });
            }
        });
        (0..rounds)
            .map(|round| interrupts(|| word.set(round + 1)))
            .collect::<Result<Vec<f64>, Trouble>>()
    })?;
    Ok(vec![count("", sent)])
}

/// Counted on the waker's CPU. The woken compute, so that theirs does not fall asleep between two
/// wakes, which it may when emulation runs it at once.
fn burst_of_wakes(plan: Plan) -> Outcome {
    const SLEEPERS: usize = 32;
    let sides = cpus::across()?;
    cpus::pin(sides.here)?;
    let samples = (0..plan.samples).map(|_| {
        let (word, ready) = (Word::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..SLEEPERS {
                scope.spawn(|| {
                    if cpus::pin(sides.there).is_ok() {
                        ready.fetch_add(1, Ordering::SeqCst);
                        word.wait_while(0);
                        let start = Instant::now();
                        while start.elapsed() < Duration::from_micros(100) {}
                    }
                });
            }
            while ready.load(Ordering::SeqCst) < SLEEPERS {
                thread::sleep(REST);
            }
            thread::sleep(REST);
            let before = Counters::now()?;
            word.set_for_all(1);
            Ok(Counters::now()?.grown(&before, "ipis_sent")?[sides.here])
        })
    });
    Ok(vec![count("", samples.collect::<Result<_, Trouble>>()?)])
}

/// Interrupts that were sent between CPUs because of `work`; the CPUs are idle round it.
fn interrupts(work: impl FnOnce()) -> Result<f64, Trouble> {
    thread::sleep(REST);
    let before = Counters::now()?;
    work();
    thread::sleep(REST);
    let grown = Counters::now()?.grown(&before, "ipis_sent")?;
    Ok(grown.into_iter().sum())
}

/// One timer interrupt ends the sleep itself and is not counted.
fn idle(plan: Plan) -> Outcome {
    let second = Duration::from_secs(1);
    let samples: Vec<(f64, f64)> = (0..plan.samples.min(3))
        .map(|_| {
            thread::sleep(REST);
            let before = Counters::now()?;
            thread::sleep(second);
            let after = Counters::now()?;
            let ticks: f64 = after.grown(&before, "timer_irqs")?.into_iter().sum();
            let idle = after.grown(&before, "idle_ns")?;
            let least = idle.into_iter().fold(f64::MAX, f64::min);
            Ok((ticks - 1.0, 1_000.0 - least / 1e6))
        })
        .collect::<Result<_, Trouble>>()?;
    let (ticks, busy) = samples.into_iter().unzip();
    Ok(vec![count("", ticks), count("busy-permille", busy)])
}

/// The largest error over all CPUs, while some of them compute and some sleep.
fn accounting(_: Plan) -> Outcome {
    let load = Duration::from_millis(300);
    let (start, before) = (Instant::now(), Counters::now()?);
    thread::scope(|scope| {
        scope.spawn(|| while start.elapsed() < load {});
        thread::sleep(Duration::from_secs(1));
    });
    let after = Counters::now()?;
    let elapsed = start.elapsed().as_nanos() as f64;
    let mut sums = vec![0.0; after.each("user_ns")?.len()];
    for key in ["user_ns", "system_ns", "irq_ns", "idle_ns"] {
        let grown = after.grown(&before, key)?;
        sums.iter_mut()
            .zip(grown)
            .for_each(|(sum, part)| *sum += part);
    }
    let errors = sums
        .into_iter()
        .map(|sum| (sum - elapsed).abs() / elapsed * 1_000.0);
    Ok(vec![count("", vec![errors.fold(0.0, f64::max)])])
}
