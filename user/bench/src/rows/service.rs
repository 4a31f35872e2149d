//! schbench-like: messengers hand requests to workers that sleep on a futex; and bursts of
//! small jobs that all have to end before the next (fork-join).

use super::{Row, row};
use crate::measure::{Outcome, Plan, Trouble, one, percentiles};
use crate::word::Word;
use crate::{clock, team};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

pub const ROWS: &[Row] = &[
    row(
        "service",
        "schbench-like: wake-up and request latency, 8 workers",
        service,
    ),
    row(
        "fork-join",
        "a burst of 8 jobs for 8 sleeping workers, until all are done",
        fork_join,
    ),
];

const WORKERS: usize = 8;
const OVER: u32 = u32::MAX;

/// One request at a time for each worker: the time it was sent, and its number.
#[derive(Default)]
struct Desk {
    sent: AtomicU64,
}

fn service(plan: Plan) -> Outcome {
    let rounds = 40 * plan.samples as u32;
    let desks: Vec<_> = (0..WORKERS)
        .map(|_| (Desk::default(), Word::new(0)))
        .collect();
    let done: Vec<_> = (0..WORKERS).map(|_| Word::new(0)).collect();
    let times = thread::scope(|scope| {
        let work = |index: usize| {
            let ((desk, request), done) = (&desks[index], &done[index]);
            scope.spawn(move || serve(desk, request, done))
        };
        let workers: Vec<_> = (0..WORKERS).map(work).collect();
        for round in 1..=rounds {
            for (desk, request) in &desks {
                desk.sent.store(clock::now(), Ordering::Release);
                request.set(round);
            }
            done.iter().for_each(|done| {
                done.wait_while(round - 1);
            });
        }
        desks.iter().for_each(|(_, request)| request.set(OVER));
        workers
            .into_iter()
            .map(team::joined)
            .collect::<Result<Vec<_>, Trouble>>()
    })?;
    let times: Vec<(f64, f64)> = times.into_iter().flatten().collect();
    let (wakes, requests) = times.into_iter().unzip();
    let mut figures = percentiles("wake", wakes);
    figures.extend(percentiles("request", requests));
    Ok(figures)
}

/// For each request: how long until the worker ran, and until it had answered.
fn serve(desk: &Desk, request: &Word, done: &Word) -> Vec<(f64, f64)> {
    let (mut round, mut times) = (0, Vec::new());
    loop {
        round = match request.wait_while(round) {
            OVER => return times,
            round => round,
        };
        let sent = desk.sent.load(Ordering::Acquire);
        let wake = clock::now() - sent;
        compute(2_000);
        times.push((wake as f64, (clock::now() - sent) as f64));
        done.set(round);
    }
}

fn fork_join(plan: Plan) -> Outcome {
    const BURSTS: u32 = 100;
    let (burst, done) = (Word::new(0), Word::new(0));
    let left = AtomicU64::new(0);
    let mut number = 0;
    let samples = thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| join_in(&burst, &left, &done));
        }
        let samples = plan.each(BURSTS, || {
            number += 1;
            left.store(WORKERS as u64, Ordering::Release);
            burst.set_for_all(number);
            done.wait_while(number - 1);
        });
        burst.set_for_all(OVER);
        samples
    });
    one(samples)
}

fn join_in(burst: &Word, left: &AtomicU64, done: &Word) {
    let mut number = 0;
    loop {
        number = match burst.wait_while(number) {
            OVER => return,
            number => number,
        };
        compute(500);
        if left.fetch_sub(1, Ordering::AcqRel) == 1 {
            done.set(number);
        }
    }
}

fn compute(rounds: u64) {
    black_box((0..rounds).fold(0, |sum: u64, round| black_box(sum ^ round)));
}
