//! Two threads that hand a word back and forth with `futex(2)`: one round trip is two wakes
//! and two waits.

use super::{Row, row};
use crate::cpus::{self, Sides};
use crate::measure::{Outcome, Plan, one};
use std::sync::atomic::{AtomicU32, Ordering};
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

const WAIT: i32 = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
const WAKE: i32 = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;

const MINE: u32 = 0;
const YOURS: u32 = 1;
const OVER: u32 = 2;

fn round_trips(plan: Plan, sides: Sides) -> Outcome {
    cpus::pin(sides.here)?;
    let turn = AtomicU32::new(MINE);
    let samples = thread::scope(|scope| {
        scope.spawn(|| {
            if cpus::pin(sides.there).is_ok() {
                while wait_while(&turn, MINE) != OVER {
                    hand_over(&turn, MINE);
                }
            }
        });
        let samples = plan.each(500, || {
            hand_over(&turn, YOURS);
            wait_while(&turn, YOURS);
        });
        hand_over(&turn, OVER);
        samples
    });
    one(samples)
}

fn hand_over(turn: &AtomicU32, to: u32) {
    turn.store(to, Ordering::Release);
    // SAFETY: the word outlives the call; FUTEX_WAKE reads no other argument.
    unsafe { libc::syscall(libc::SYS_futex, turn.as_ptr(), WAKE, 1) };
}

/// What the word says once it says something else than `value`.
fn wait_while(turn: &AtomicU32, value: u32) -> u32 {
    loop {
        let now = turn.load(Ordering::Acquire);
        if now != value {
            return now;
        }
        let forever = std::ptr::null::<libc::timespec>();
        // SAFETY: the word outlives the call, and a null timeout waits without an end.
        unsafe { libc::syscall(libc::SYS_futex, turn.as_ptr(), WAIT, value, forever) };
    }
}
