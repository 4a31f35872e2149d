//! CPUs that are idle beside threads that wait. In as many *pairs* as there are CPUs one thread
//! computes while the other sleeps, and then they change over: at any moment as many threads want
//! to run as there are CPUs. In *bursts* as many threads as there are CPUs are woken at once, and
//! end one after the other.
//!
//! `hand-over` asks the threads of the pairs: how long from one's handing over to the other's first
//! instruction. `wasted-cores` asks the kernel's own trace: how long CPUs were idle (`idleness.rs`).

use super::{Row, row};
use crate::clock;
use crate::cpus;
use crate::idleness::{Waste, waste};
use crate::measure::{Figure, Outcome, Plan, Trouble, count, figure};
use crate::team::{one_each, together};
use crate::trace;
use crate::word::Word;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

pub const ROWS: &[Row] = &[
    row(
        "hand-over",
        "percent of all CPUs' time between one thread's handing over and the other's start, and the longest",
        hand_over,
    ),
    row(
        "wasted-cores",
        "percent of all CPUs' time that they are idle beside a ready thread, and the longest such time",
        wasted_cores,
    ),
];

/// A window, and how long one of a pair computes; nanoseconds.
const SPAN: u64 = 1_000_000_000;
const TURN: u64 = 1_000_000;
/// What a word says when the window has ended; before, whose turn it is.
const OVER: u32 = u32::MAX;

struct Pair {
    turn: Word,
    /// When the turn was given to the other; 0 before the first time.
    given: AtomicU64,
}

fn hand_over(plan: Plan) -> Outcome {
    let pairs = one_each()?;
    let window = |_| {
        let waits = window(pairs)?;
        let total: u64 = waits.iter().sum();
        let longest = waits.into_iter().max().unwrap_or(0);
        Ok((
            total as f64 * 100.0 / (SPAN * pairs as u64) as f64,
            longest as f64,
        ))
    };
    let windows: Vec<(f64, f64)> = (0..plan.samples)
        .map(window)
        .collect::<Result<_, Trouble>>()?;
    let (shares, longest) = windows.into_iter().unzip();
    Ok(vec![count("", shares), figure("longest", longest)])
}

fn wasted_cores(plan: Plan) -> Outcome {
    let cpus = one_each()?;
    let pairs = traced(plan, "pairs", || window(cpus).map(drop));
    let bursts = traced(plan, "bursts", || bursts(cpus));
    Ok([pairs?, bursts?].concat())
}

/// What is wasted in windows of `load`: the share, how much of it while no interrupt was on its way,
/// and the longest time.
fn traced(
    plan: Plan,
    part: &str,
    load: impl Fn() -> Result<(), Trouble>,
) -> Result<Vec<Figure>, Trouble> {
    let cpus = cpus::allowed()?;
    let sample = |_| {
        let (ended, happenings) = trace::record(&load)?;
        ended?;
        Ok(waste(&happenings, &cpus))
    };
    let windows: Vec<Waste> = (0..plan.samples)
        .map(sample)
        .collect::<Result<_, Trouble>>()?;
    let percent = |ns: u64| ns as f64 * 100.0 / (SPAN * cpus.len() as u64) as f64;
    let each = |value: fn(&Waste) -> u64| windows.iter().map(value);
    Ok(vec![
        count(part, each(|waste| waste.total_ns).map(percent).collect()),
        count(
            &format!("{part}-unattended"),
            each(|waste| waste.unattended_ns).map(percent).collect(),
        ),
        figure(
            &format!("{part}-longest"),
            each(|waste| waste.longest_ns).map(|ns| ns as f64).collect(),
        ),
    ])
}

/// Rounds of a window: all are woken by the last that ended, each computes a little longer than
/// the one before.
fn bursts(threads: usize) -> Result<(), Trouble> {
    let (round, left) = (Word::new(0), AtomicUsize::new(threads));
    let until = clock::now() + SPAN;
    let work = |index: usize| {
        let (mut now, mut mine) = (clock::now(), 0);
        let part = TURN * 2 * (index as u64 + 1) / threads as u64;
        while mine != OVER {
            compute_until(now + part);
            now = clock::now();
            if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                left.store(threads, Ordering::Release);
                round.set_for_all(if now < until { mine + 1 } else { OVER });
            }
            mine = round.wait_while(mine);
            now = clock::now();
        }
    };
    together(threads, work).map(drop)
}

fn compute_until(end: u64) {
    while clock::now() < end {}
}

/// Every wait of one window.
fn window(pairs: usize) -> Result<Vec<u64>, Trouble> {
    let pair = |_| Pair {
        turn: Word::new(0),
        given: AtomicU64::new(0),
    };
    let all: Vec<Pair> = (0..pairs).map(pair).collect();
    let until = clock::now() + SPAN;
    let side = |index: usize| take_turns(&all[index / 2], (index % 2) as u32, until);
    Ok(together(2 * pairs, side)?.into_iter().flatten().collect())
}

fn take_turns(pair: &Pair, side: u32, until: u64) -> Vec<u64> {
    let mut waits = Vec::with_capacity((SPAN / TURN) as usize);
    while pair.turn.wait_while(1 - side) != OVER {
        let start = clock::now();
        match pair.given.load(Ordering::Acquire) {
            0 => {}
            given => waits.push(start - given),
        }
        compute_until(start + TURN);
        let now = clock::now();
        pair.given.store(now, Ordering::Release);
        pair.turn.set(if now < until { 1 - side } else { OVER });
        if now >= until {
            break;
        }
    }
    waits
}
