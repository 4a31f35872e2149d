//! What the scheduler costs kernel threads, where no system call is in the way: one line for each
//! figure, as `user/bench` prints them. Exact under icount, where a nanosecond is an instruction.
//! The acceptance metrics (`make bench-sched`) read them.

use super::{Outcome, check};
use crate::report::print;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use smp::{CpuSet, ThreadSpec};

const SAMPLES: u64 = 5;

/// `bench NAME median=M ...`, nanoseconds.
pub fn say(name: &str, mut samples: Vec<u64>) {
    samples.sort_unstable();
    let (Some(min), Some(max)) = (samples.first(), samples.last()) else {
        return;
    };
    let (median, count) = (samples[samples.len() / 2], samples.len());
    print(format_args!(
        "bench {name} median={median} min={min} max={max} samples={count} unit=ns\n"
    ));
}

/// Nanoseconds that `work` takes, once to warm up and then for each sample.
fn samples(mut work: impl FnMut() -> Outcome) -> Result<Vec<u64>, &'static str> {
    work()?;
    let sample = |_| {
        let start = smp::now_ns();
        work().map(|()| smp::now_ns() - start)
    };
    (0..SAMPLES).map(sample).collect()
}

/// Two threads on one CPU give it to each other: a round is two switches.
pub fn yield_round() -> Outcome {
    const ROUNDS: u64 = 1_000;
    let own = smp::current();
    let cpus = own.affinity();
    let here = CpuSet::single(percpu::cpu_id());
    own.set_affinity(&here)
        .map_err(|_| "this CPU was refused")?;
    let shared = Arc::new((AtomicBool::new(false), AtomicU64::new(0)));
    let theirs = shared.clone();
    let peer = ThreadSpec::new("peer", move || {
        while !theirs.0.load(Relaxed) {
            theirs.1.fetch_add(1, Relaxed);
            smp::yield_now();
        }
    });
    let peer = smp::spawn(peer.affinity(here)).map_err(|_| "no memory for a thread")?;
    let samples = samples(|| {
        let before = shared.1.load(Relaxed);
        (0..ROUNDS).for_each(|_| smp::yield_now());
        let turns = shared.1.load(Relaxed) - before;
        check(
            turns.abs_diff(ROUNDS) < ROUNDS / 100,
            "a yield did not switch",
        )
    });
    shared.0.store(true, Relaxed);
    peer.join();
    own.set_affinity(&cpus)
        .map_err(|_| "the old CPUs were refused")?;
    let rounds = samples?.into_iter().map(|spent| spent / ROUNDS);
    say("kernel-yield-round", rounds.collect());
    Ok(())
}

/// A thousand threads alive at once, and all joined; each.
pub fn thousand_threads() -> Outcome {
    const THREADS: usize = 1_000;
    let samples = samples(|| {
        let open = Arc::new(AtomicBool::new(false));
        let spawn = |_| {
            let open = open.clone();
            let wait = move || {
                while !open.load(Relaxed) {
                    smp::park(None);
                }
            };
            smp::spawn(ThreadSpec::new("one-of-many", wait)).map_err(|_| "no memory for a thread")
        };
        let threads: Vec<_> = (0..THREADS).map(spawn).collect::<Result<_, _>>()?;
        open.store(true, Relaxed);
        threads.iter().for_each(|thread| thread.unpark());
        threads.iter().for_each(|thread| thread.join());
        Ok(())
    })?;
    let each = samples.into_iter().map(|spent| spent / THREADS as u64);
    say("kernel-threads-1000", each.collect());
    Ok(())
}
