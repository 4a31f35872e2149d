//! Two threads that hand a word back and forth with `futex(2)`: one round trip is two wakes
//! and two waits.

use super::{Row, row};
use crate::cpus::{self, Sides};
use crate::measure::{Outcome, Plan, one};
use crate::word::Word;
use std::thread;

pub const ROWS: &[Row] = &[
    row(
        "futex-same",
        "futex round trip, two threads on one CPU",
        |plan| round_trips(plan, cpus::same()?),
    ),
    row(
        "futex-cross",
        "futex round trip, two threads on two CPUs",
        |plan| round_trips(plan, cpus::across()?),
    ),
];

const MINE: u32 = 0;
const YOURS: u32 = 1;
const OVER: u32 = 2;

fn round_trips(plan: Plan, sides: Sides) -> Outcome {
    cpus::pin(sides.here)?;
    let turn = Word::new(MINE);
    let samples = thread::scope(|scope| {
        scope.spawn(|| {
            if cpus::pin(sides.there).is_ok() {
                while turn.wait_while(MINE) != OVER {
                    turn.set(MINE);
                }
            }
        });
        let samples = plan.each(500, || {
            turn.set(YOURS);
            turn.wait_while(YOURS);
        });
        turn.set(OVER);
        samples
    });
    one(samples)
}
