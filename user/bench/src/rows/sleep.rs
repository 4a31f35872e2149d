//! How late a sleeper wakes on an idle machine.

use super::{Row, row};
use crate::measure::{Outcome, Plan, percentiles};
use crate::{clock, cpus, window};
use std::thread;
use std::time::Duration;

pub const ROWS: &[Row] = &[row("nanosleep", "lateness of a sleep of 100 us", lateness)];

const NAP: Duration = Duration::from_micros(100);

fn lateness(plan: Plan) -> Outcome {
    cpus::stay()?;
    // Linux lets ordinary timers be 50 us late on purpose; 1 ns switches that off.
    // SAFETY: PR_SET_TIMERSLACK takes an integer; a kernel without it sleeps exactly.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
    let nap = || {
        let spent = clock::time(|| thread::sleep(NAP));
        spent.saturating_sub(NAP.as_nanos() as u64) as f64
    };
    (0..10).for_each(|_| {
        nap();
    });
    Ok(percentiles(
        "",
        window::around(|| (0..100 * plan.samples).map(|_| nap()).collect()),
    ))
}
