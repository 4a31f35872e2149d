//! Work on all CPUs at once: how much faster it gets, how fairly it is shared, and how soon a
//! burst has spread. These rows need CPUs that really run at the same time.

use super::{Row, row};
use crate::mapping::Mapping;
use crate::measure::{Outcome, Plan, Trouble, index, one};
use crate::team::{one_each, together};
use crate::{clock, cpus};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};
use std::hint::black_box;

pub const ROWS: &[Row] = &[
    row(
        "scaling-compute",
        "speed-up of computing with a thread for each CPU",
        |plan| speed_up(plan, || compute(2_000_000)),
    ),
    row(
        "scaling-fault",
        "speed-up of page faults in one address space",
        |plan| speed_up(plan, fault),
    ),
    row("scaling-fork", "speed-up of fork, exit and wait", |plan| {
        speed_up(plan, forks)
    }),
    row(
        "small-maps",
        "mmap, touch, munmap of a page by 8 threads, each",
        small_maps,
    ),
    row(
        "fairness",
        "Jain's index over two CPU hogs for each CPU",
        fairness,
    ),
    row(
        "burst",
        "threads started on one CPU until every CPU runs one",
        burst,
    ),
];

/// The best time of one thread against the best of all CPUs doing the same each: `n` is
/// perfect. A ratio of single times would reward whatever disturbed the one thread.
fn speed_up(plan: Plan, work: fn() -> Result<(), Trouble>) -> Outcome {
    let count = one_each()?;
    let (mut alone, mut all) = (u64::MAX, u64::MAX);
    for _ in 0..=plan.samples {
        alone = alone.min(span(1, work)?);
        all = all.min(span(count, work)?);
    }
    let speed_up = count as f64 * alone as f64 / all as f64;
    Ok(vec![index("", vec![speed_up])])
}

/// From the first start to the last end.
fn span(count: usize, work: fn() -> Result<(), Trouble>) -> Result<u64, Trouble> {
    let spans = together(count, |_| {
        let start = clock::now();
        work().map(|()| (start, clock::now()))
    })?;
    let spans: Vec<_> = spans.into_iter().collect::<Result<_, _>>()?;
    let first = spans.iter().map(|span| span.0).min().unwrap_or(0);
    let last = spans.iter().map(|span| span.1).max().unwrap_or(0);
    Ok(last - first)
}

fn compute(rounds: u64) -> Result<(), Trouble> {
    let mix = |sum: u64, round| black_box(sum.wrapping_mul(0x9e37_79b9).wrapping_add(round));
    black_box((0..rounds).fold(1, mix));
    Ok(())
}

fn fault() -> Result<(), Trouble> {
    (0..8).try_for_each(|_| Mapping::anonymous(64).map(|mapping| mapping.touch_all()))
}

/// Through the C library's `_exit`: the child of a thread may do nothing else.
fn forks() -> Result<(), Trouble> {
    for _ in 0..10 {
        // SAFETY: the child only exits.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => {
                waitpid(child, None)?;
            }
            // SAFETY: ends the child at once.
            ForkResult::Child => unsafe { libc::_exit(0) },
        }
    }
    Ok(())
}

fn small_maps(plan: Plan) -> Outcome {
    const THREADS: usize = 8;
    const EACH: u32 = 100;
    one(plan.try_batches(THREADS as u32 * EACH, || {
        span(THREADS, || {
            (0..EACH).try_for_each(|_| Mapping::anonymous(1).map(|mapping| mapping.touch_all()))
        })
    })?)
}

/// (sum x)^2 / (n * sum x^2): 1 when all hogs got the same.
fn fairness(plan: Plan) -> Outcome {
    const SPAN: u64 = 500_000_000;
    let hogs = 2 * cpus::allowed()?.len();
    let sample = |_| {
        let work = together(hogs, |_| {
            let (start, mut rounds) = (clock::now(), 0_u64);
            while clock::now() - start < SPAN {
                rounds += 1;
            }
            rounds as f64
        })?;
        let (sum, squares) = work.iter().fold((0.0, 0.0), |(sum, squares), share| {
            (sum + share, squares + share * share)
        });
        Ok(sum * sum / (hogs as f64 * squares))
    };
    let samples = (0..plan.samples.min(3))
        .map(sample)
        .collect::<Result<_, Trouble>>()?;
    Ok(vec![index("", samples)])
}

/// Twice as many threads as CPUs wait on one barrier and are woken by the last to come.
fn burst(plan: Plan) -> Outcome {
    let count = one_each()?;
    let samples = (0..plan.samples).map(|_| until_all_run(count).map(|spent| spent as f64));
    one(samples.collect::<Result<_, Trouble>>()?)
}

/// Nanoseconds from the first thread that runs to the moment when each CPU has run one.
fn until_all_run(count: usize) -> Result<u64, Trouble> {
    let seen: Vec<_> = together(2 * count, |_| where_seen())?
        .into_iter()
        .flatten()
        .collect();
    let first_on = |cpu: usize| {
        let times = seen
            .iter()
            .filter(|(at, _)| *at == cpu)
            .map(|(_, time)| *time);
        times
            .min()
            .ok_or(Trouble::Failed(format!("CPU {cpu} never ran one")))
    };
    let firsts: Vec<u64> = cpus::allowed()?
        .into_iter()
        .map(first_on)
        .collect::<Result<_, _>>()?;
    let first = firsts.iter().min().unwrap_or(&0);
    Ok(firsts.iter().max().unwrap_or(&0) - first)
}

/// The CPUs that this thread ran on in 20 ms, and when it came there.
fn where_seen() -> Vec<(usize, u64)> {
    let until = clock::now() + 20_000_000;
    let mut seen: Vec<(usize, u64)> = Vec::new();
    while clock::now() < until {
        if let Ok(cpu) = nix::sched::sched_getcpu()
            && seen.last().is_none_or(|(last, _)| *last != cpu)
        {
            seen.push((cpu, clock::now()));
        }
    }
    seen
}
