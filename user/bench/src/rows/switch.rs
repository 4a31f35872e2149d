//! Context switches: threads on one CPU that do nothing but yield to each other.

use super::{Row, row};
use crate::measure::{Outcome, Plan, Trouble, figure, one};
use crate::{clock, cpus};
use std::sync::Barrier;
use std::thread;

pub const ROWS: &[Row] = &[
    row(
        "yield-switch",
        "sched_yield to the other of two threads",
        two,
    ),
    row(
        "switch-many",
        "the same with 2 to 1,000 runnable threads",
        many,
    ),
];

const STACK: usize = 64 << 10;

fn two(plan: Plan) -> Outcome {
    cpus::stay()?;
    one(plan.try_batches(2_000, || yields(2, 1_000))?)
}

fn many(plan: Plan) -> Outcome {
    cpus::stay()?;
    [2, 8, 32, 100, 316, 1_000]
        .map(|threads| {
            let each = 4_000 / threads;
            let samples = plan.try_batches(threads * each, || yields(threads, each))?;
            Ok(figure(&threads.to_string(), samples))
        })
        .into_iter()
        .collect()
}

/// Nanoseconds until each of `threads` threads has yielded `each` times. The first one through
/// the barrier starts the clock, the last one that is done stops it.
fn yields(threads: u32, each: u32) -> Result<u64, Trouble> {
    let barrier = Barrier::new(threads as usize);
    let work = || {
        barrier.wait();
        let start = clock::now();
        (0..each).for_each(|_| thread::yield_now());
        (start, clock::now())
    };
    let spans = thread::scope(|scope| {
        let start = |_| {
            thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, &work)
        };
        let handles: Result<Vec<_>, _> = (0..threads).map(start).collect();
        let join = |handle: thread::ScopedJoinHandle<'_, (u64, u64)>| {
            handle
                .join()
                .map_err(|_| Trouble::Failed("a thread panicked".into()))
        };
        handles?
            .into_iter()
            .map(join)
            .collect::<Result<Vec<_>, _>>()
    })?;
    let first = spans.iter().map(|span| span.0).min().unwrap_or(0);
    let last = spans.iter().map(|span| span.1).max().unwrap_or(0);
    Ok(last - first)
}
