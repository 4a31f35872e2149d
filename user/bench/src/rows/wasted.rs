//! Wasted-core time. In as many pairs as there are CPUs one thread computes while the other
//! sleeps, and then they change over: at any moment as many threads want to run as there are
//! CPUs, so that for as long as one of them waits, a CPU is wasted.

use super::{Row, row};
use crate::clock;
use crate::measure::{Outcome, Plan, Trouble, count, figure};
use crate::team::{one_each, together};
use crate::word::Word;
use std::sync::atomic::{AtomicU64, Ordering};

pub const ROWS: &[Row] = &[row(
    "wasted",
    "percent of all CPUs' time that a thread waits beside a free one, and the longest wait",
    wasted,
)];

/// A window, and how long one of a pair computes; nanoseconds.
const SPAN: u64 = 1_000_000_000;
const TURN: u64 = 1_000_000;
/// What the word of a pair says when the window has ended; before, whose turn it is.
const OVER: u32 = 2;

struct Pair {
    turn: Word,
    /// When the turn was given to the other; 0 before the first time.
    given: AtomicU64,
}

fn wasted(plan: Plan) -> Outcome {
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
        while clock::now() < start + TURN {}
        let now = clock::now();
        pair.given.store(now, Ordering::Release);
        pair.turn.set(if now < until { 1 - side } else { OVER });
        if now >= until {
            break;
        }
    }
    waits
}
