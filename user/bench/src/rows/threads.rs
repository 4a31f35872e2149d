//! Making threads: one after the other, and a thousand at once.

use super::{Row, row};
use crate::bare_thread::BareThread;
use crate::clock;
use crate::measure::{Outcome, Plan, Trouble, count, one};
use std::sync::Barrier;
use std::time::Duration;

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
        "free memory that 10,000 threads cost for good, in KiB",
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

/// What each pass of 10,000 threads loses of the free memory, once caches are full and the numbers
/// of threads have gone round (32,768).
fn churn(_: Plan) -> Outcome {
    const WARM: usize = 4;
    const PASSES: usize = 4;
    let nothing = || ();
    let pass = |_| {
        // SAFETY: `nothing` outlives the thread, which is joined here.
        let once = |_| unsafe { BareThread::start(&nothing) }.map(BareThread::join);
        (0..CHURN).try_for_each(once)?;
        settled_free_kib()
    };
    let free: Vec<u64> = (0..WARM + PASSES)
        .map(pass)
        .collect::<Result<_, Trouble>>()?;
    let lost = free[WARM..]
        .windows(2)
        .map(|pair| pair[0].saturating_sub(pair[1]) as f64);
    Ok(vec![count("", lost.collect())])
}

/// Free memory when it changes no more: a kernel may bury the dead after they were joined.
fn settled_free_kib() -> Result<u64, Trouble> {
    const SAME: u32 = 10;
    let (mut free, mut same) = (free_kib()?, 0);
    while same < SAME {
        std::thread::sleep(Duration::from_millis(10));
        let now = free_kib()?;
        same = if now == free { same + 1 } else { 0 };
        free = now;
    }
    Ok(free)
}

fn free_kib() -> Result<u64, Trouble> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemFree:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or(Trouble::Unsupported("no MemFree in /proc/meminfo".into()))
}
