//! The shortest ways into the kernel, and the clock that needs none.

use super::{Row, row};
use crate::cpus;
use crate::measure::{Outcome, Plan, one};
use nix::time::{ClockId, clock_gettime};

pub const ROWS: &[Row] = &[
    row("null-syscall", "getppid: trap, dispatch, return", null),
    row(
        "clock-gettime",
        "CLOCK_MONOTONIC, through the vDSO where there is one",
        clock,
    ),
    row("yield", "sched_yield with nobody else to run", yield_alone),
];

fn null(plan: Plan) -> Outcome {
    one(plan.each(2_000, || {
        nix::unistd::getppid();
    }))
}

fn clock(plan: Plan) -> Outcome {
    clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    one(plan.each(2_000, || {
        let _ = std::hint::black_box(clock_gettime(ClockId::CLOCK_MONOTONIC));
    }))
}

fn yield_alone(plan: Plan) -> Outcome {
    cpus::stay()?;
    one(plan.each(1_000, std::thread::yield_now))
}
