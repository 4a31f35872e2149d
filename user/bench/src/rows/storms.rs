//! Many at once: processes that are born and die, and threads that change their CPU.

use super::{Row, row};
use crate::measure::{Outcome, Plan, Trouble, one};
use crate::peer::Peer;
use crate::{clock, cpus, team};

pub const ROWS: &[Row] = &[
    row(
        "spawn-storm",
        "100 processes alive at once, then all waited for, each",
        spawn,
    ),
    row("pin", "sched_setaffinity to where one is already", |plan| {
        let here = cpus::allowed()?[0];
        pins(plan, [here, here])
    }),
    row(
        "pin-move",
        "sched_setaffinity to another CPU, and back, each",
        |plan| {
            let (here, there) = cpus::pair()?;
            pins(plan, [here, there])
        },
    ),
    row(
        "pin-storm",
        "16 threads that pin themselves to one CPU after the other, each",
        pin_storm,
    ),
];

const PROCESSES: u32 = 100;

fn spawn(plan: Plan) -> Outcome {
    one(plan.try_batches(PROCESSES, || {
        let start = clock::now();
        let peers: Vec<_> = (0..PROCESSES)
            .map(|_| Peer::start(|| ()))
            .collect::<Result<_, _>>()?;
        peers.into_iter().try_for_each(Peer::join)?;
        Ok(clock::now() - start)
    })?)
}

fn pins(plan: Plan, cpus: [usize; 2]) -> Outcome {
    const ROUNDS: u32 = 100;
    one(plan.try_batches(2 * ROUNDS, || {
        let start = clock::now();
        for _ in 0..ROUNDS {
            cpus.into_iter().try_for_each(cpus::pin)?;
        }
        Ok::<_, Trouble>(clock::now() - start)
    })?)
}

/// All of them at once, from CPU to CPU.
fn pin_storm(plan: Plan) -> Outcome {
    const THREADS: usize = 16;
    const MOVES: usize = 50;
    let cpus = cpus::allowed()?;
    cpus::pair()?;
    one(plan.try_batches((THREADS * MOVES) as u32, || {
        let start = clock::now();
        let ends = team::together(THREADS, |index| {
            (0..MOVES).try_for_each(|turn| cpus::pin(cpus[(index + turn) % cpus.len()]))
        })?;
        ends.into_iter().collect::<Result<(), Trouble>>()?;
        Ok(clock::now() - start)
    })?)
}
