//! How long after a wake-up a thread runs: distributions, not means.

use super::{Row, row};
use crate::cpus::{self, Sides};
use crate::measure::{Outcome, Plan, Trouble, percentiles};
use crate::peer::Peer;
use crate::word::Word;
use crate::{clock, window};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

pub const ROWS: &[Row] = &[
    row(
        "pipe-hop",
        "one way through a pipe, from write to the reader's return, one CPU",
        |plan| pipe_hops(plan, cpus::same()?),
    ),
    row("pipe-hop-cross", "the same between two CPUs", |plan| {
        pipe_hops(plan, cpus::across()?)
    }),
    row(
        "futex-wake",
        "futex wake on one CPU until the waiter runs on an idle one",
        futex_wakes,
    ),
    row(
        "realtime",
        "lateness of a SCHED_FIFO sleeper on a CPU with two hogs",
        |plan| realtime(2_000 * plan.samples),
    ),
    row("realtime-long", "the same, 100,000 times", |_| {
        realtime(100_000)
    }),
];

/// What the first tenth says is thrown away: it warms up.
fn settled(part: &str, mut values: Vec<f64>) -> Outcome {
    values.drain(..values.len() / 10);
    Ok(percentiles(part, values))
}

/// The writer sends the time; the reader answers with how old it was.
fn pipe_hops(plan: Plan, sides: Sides) -> Outcome {
    let (to_peer, from_here) = nix::unistd::pipe()?;
    let (to_here, from_peer) = nix::unistd::pipe()?;
    let (mut input, mut output) = (File::from(to_peer), File::from(from_peer));
    let peer = Peer::start(move || {
        let mut sent = [0; 8];
        let pinned = cpus::pin(sides.there).is_ok();
        while pinned && input.read_exact(&mut sent).is_ok() {
            let age = clock::now() - u64::from_ne_bytes(sent);
            let _ = output.write_all(&age.to_ne_bytes());
        }
    })?;
    cpus::pin(sides.here)?;
    let (mut to_peer, mut answers) = (File::from(from_here), File::from(to_here));
    let mut hop = || {
        to_peer.write_all(&clock::now().to_ne_bytes())?;
        let mut age = [0; 8];
        answers.read_exact(&mut age)?;
        Ok(u64::from_ne_bytes(age) as f64)
    };
    let hops: Result<Vec<_>, Trouble> = (0..200 * plan.samples).map(|_| hop()).collect();
    drop(peer);
    settled("", hops?)
}

/// The waker sleeps in between, so that both CPUs are idle before each wake.
fn futex_wakes(plan: Plan) -> Outcome {
    let sides = cpus::across()?;
    let (go, done) = (Word::new(0), Word::new(0));
    let rounds = 100 * plan.samples as u32;
    let waits = thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let pinned = cpus::pin(sides.there);
            let wait = |round| {
                go.wait_while(round);
                let now = clock::now();
                done.set(round + 1);
                now
            };
            pinned.map(|()| (0..rounds).map(wait).collect::<Vec<u64>>())
        });
        cpus::pin(sides.here)?;
        let wake = |round| {
            thread::sleep(Duration::from_micros(200));
            let now = clock::now();
            go.set(round + 1);
            done.wait_while(round);
            now
        };
        let woken: Vec<u64> = (0..rounds).map(wake).collect();
        let ran = waiter
            .join()
            .map_err(|_| Trouble::Failed("a thread panicked".into()))??;
        let pairs = ran.into_iter().zip(woken);
        Ok::<_, Trouble>(pairs.map(|(ran, woken)| (ran - woken) as f64).collect())
    })?;
    settled("", waits)
}

/// As cyclictest: it sleeps until points in time and notes how late it was, beside two
/// processes that compute on the same CPU.
fn realtime(rounds: usize) -> Outcome {
    cpus::stay()?;
    let hogs = [hog()?, hog()?];
    let lateness = fifo_lateness(rounds);
    drop(hogs);
    lateness
}

fn fifo_lateness(rounds: usize) -> Outcome {
    let priority = 80_i32; // the kernel's sched_param: one int
    // SAFETY: the priority outlives the call, which reads one int.
    let set =
        unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_FIFO, &priority) };
    nix::errno::Errno::result(set)?;
    let late = |_| nap_until(now()? + Duration::from_micros(50));
    let lateness: Result<_, Trouble> = window::around(|| (0..rounds).map(late).collect());
    let lateness = lateness?;
    Ok(percentiles("", lateness))
}

/// Nanoseconds between a point in time and the moment when its sleeper knows that it has come.
fn nap_until(due: Duration) -> Result<f64, Trouble> {
    let absolute = ClockNanosleepFlags::TIMER_ABSTIME;
    clock_nanosleep(ClockId::CLOCK_MONOTONIC, absolute, &TimeSpec::from(due))?;
    Ok((now()?.saturating_sub(due)).as_nanos() as f64)
}

/// The clock that points in time are told by.
fn now() -> Result<Duration, Trouble> {
    Ok(clock_gettime(ClockId::CLOCK_MONOTONIC)?.into())
}

/// A process that computes until it is killed.
fn hog() -> Result<Peer, Trouble> {
    let parent = nix::unistd::getpid();
    Peer::start(move || {
        while kill(parent, None::<Signal>).is_ok() {
            black_box((0..100_000_u64).fold(0, |sum: u64, round| black_box(sum ^ round)));
        }
    })
}
