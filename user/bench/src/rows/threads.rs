//! Making threads: one after the other, and a thousand at once.

use super::{Row, row};
use crate::bare_thread::BareThread;
use crate::clock;
use crate::measure::{Outcome, Plan, Trouble, count, one};
use std::sync::Barrier;

pub const ROWS: &[Row] = &[
    row(
        "thread-create",
        "a thread that ends at once, joined",
        one_by_one,
    ),
    row(
        "threads-1000",
        "1,000 threads alive at once, and all joined",
        a_thousand,
    ),
    row(
        "thread-churn",
        "memory that 10,000 threads leave behind, in KiB",
        churn,
    ),
];

const MANY: usize = 1_000;
const CHURN: usize = 10_000;

fn one_by_one(plan: Plan) -> Outcome {
    let nothing = || ();
    one(plan.try_batches(50, || {
        let start = clock::now();
        for _ in 0..50 {
            // SAFETY: `nothing` outlives the thread, which is joined here.
            unsafe { BareThread::start(&nothing) }?.join();
        }
        Ok(clock::now() - start)
    })?)
}

fn a_thousand(plan: Plan) -> Outcome {
    one(plan.try_batches(1, || {
        let barrier = Barrier::new(MANY + 1);
        let meet = || {
            barrier.wait();
        };
        let start = clock::now();
        // SAFETY: all are joined below; if not all can be started, the process ends with them.
        let start_one = |_| unsafe { BareThread::start(&meet) };
        let threads: Vec<_> = (0..MANY).map(start_one).collect::<Result<_, _>>()?;
        meet();
        threads.into_iter().for_each(BareThread::join);
        Ok(clock::now() - start)
    })?)
}

/// Free memory before and after; what the same work left in caches before is no loss.
fn churn(_: Plan) -> Outcome {
    let nothing = || ();
    let pass = |threads: usize| {
        // SAFETY: `nothing` outlives the thread, which is joined here.
        (0..threads).try_for_each(|_| unsafe { BareThread::start(&nothing) }.map(BareThread::join))
    };
    pass(CHURN)?;
    let before = free_kib()?;
    pass(CHURN)?;
    let lost = before.saturating_sub(free_kib()?);
    Ok(vec![count("", vec![lost as f64])])
}

fn free_kib() -> Result<u64, Trouble> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemFree:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or(Trouble::Unsupported("no MemFree in /proc/meminfo".into()))
}
