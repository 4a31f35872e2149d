//! Context switches: threads on one CPU that do nothing but yield to each other.

use super::{Row, row};
use crate::cpus;
use crate::measure::{Plan, Trouble, one};
use crate::{clock, team, window};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

pub const ROWS: &[Row] = &[
    row(
        "yield-switch",
        "sched_yield to the other of two threads",
        |plan| one(among(plan, 2)?),
    ),
    row("switch-2", "the same with 2 runnable threads", |plan| {
        one(among(plan, 2)?)
    }),
    row("switch-8", "the same with 8 runnable threads", |plan| {
        one(among(plan, 8)?)
    }),
    row("switch-32", "the same with 32 runnable threads", |plan| {
        one(among(plan, 32)?)
    }),
    row("switch-100", "the same with 100 runnable threads", |plan| {
        one(among(plan, 100)?)
    }),
    row("switch-316", "the same with 316 runnable threads", |plan| {
        one(among(plan, 316)?)
    }),
    row(
        "switch-1000",
        "the same with 1,000 runnable threads",
        |plan| one(among(plan, 1000)?),
    ),
];

/// Switches that one sample lasts for.
const SWITCHES: u64 = 4_000;

/// How often each thread has yielded, and whether they may stop.
struct Yields {
    counts: Vec<AtomicU64>,
    over: AtomicBool,
}

/// Nanoseconds for each yield of any of `threads` threads, once all of them take part. The
/// first of them looks at the clock; the others count only.
fn among(plan: Plan, threads: usize) -> Result<Vec<f64>, Trouble> {
    cpus::stay()?;
    let yields = Yields {
        counts: (0..threads).map(|_| AtomicU64::new(0)).collect(),
        over: AtomicBool::new(false),
    };
    let samples = team::together(threads, |index| match index {
        0 => yields.time(plan.samples),
        _ => yields.take_part(index),
    })?;
    Ok(samples.into_iter().flatten().collect())
}

impl Yields {
    fn once(&self, index: usize) {
        self.counts[index].fetch_add(1, Ordering::Relaxed);
        thread::yield_now();
    }

    fn take_part(&self, index: usize) -> Vec<f64> {
        while !self.over.load(Ordering::Relaxed) {
            self.once(index);
        }
        Vec::new()
    }

    fn time(&self, samples: usize) -> Vec<f64> {
        while self
            .counts
            .iter()
            .any(|count| count.load(Ordering::Relaxed) < 2)
        {
            self.once(0);
        }
        let samples = window::around(|| (0..samples).map(|_| self.sample()).collect());
        self.over.store(true, Ordering::Relaxed);
        samples
    }

    /// Whole turns of all threads, until there were enough switches.
    fn sample(&self) -> f64 {
        let (before, start) = (self.total(), clock::now());
        (0..SWITCHES.div_ceil(self.counts.len() as u64)).for_each(|_| self.once(0));
        let spent = clock::now() - start;
        spent as f64 / (self.total() - before) as f64
    }

    fn total(&self) -> u64 {
        let counts = self.counts.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }
}
