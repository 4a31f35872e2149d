//! Many threads at once and one after another, and what they leave: nothing.

use super::{Outcome, check};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use percpu::CpuId;
use smp::{Phase, ThreadRef, ThreadSpec};

/// Frames that are in use: per-CPU caches count as free, and so does what slabs keep ready.
fn frames_in_use() -> usize {
    let stats = mm::stats();
    stats.total_frames - stats.free_frames - stats.heap_frames
}

/// Waits until no dead thread is on the table and the reaper sleeps: joining ends before the
/// reaping, which may be much later, and a thread is off the table before its stack is freed. How
/// much later is the host's affair: who never gets there is silent, and found by that.
fn wait_for_reaper() {
    let is_at_it = || {
        smp::threads().any(|thread| match thread.phase() {
            Phase::Dead => true,
            phase => phase != Phase::Blocked && thread.name() == "reaper",
        })
    };
    while is_at_it() {
        smp::park(Some(smp::now_ns() + 1_000_000));
    }
}

fn spawn_all(
    count: usize,
    body: impl Fn() + Clone + Send + 'static,
) -> Result<Vec<ThreadRef>, &'static str> {
    let spawn = |_| smp::spawn(ThreadSpec::new("storm", body.clone()));
    let threads: Result<Vec<_>, _> = (0..count).map(spawn).collect();
    threads.map_err(|_| "no memory for a thread")
}

/// Threads that all live until the last has begun, and are reaped; how many lived then.
fn live_at_once(count: usize) -> Result<usize, &'static str> {
    let begun = Arc::new(AtomicUsize::new(0));
    let leave = Arc::new(AtomicBool::new(false));
    let (arrived, gate) = (begun.clone(), leave.clone());
    let threads = spawn_all(count, move || {
        arrived.fetch_add(1, Relaxed);
        while !gate.load(Relaxed) {
            smp::park(None);
        }
    })?;
    while begun.load(Relaxed) < count {
        smp::yield_now();
    }
    let is_alive = |thread: &&ThreadRef| thread.phase() != Phase::Dead;
    let alive = threads.iter().filter(is_alive).count();
    leave.store(true, Relaxed);
    threads.iter().for_each(|thread| thread.unpark());
    threads.iter().for_each(|thread| thread.join());
    drop(threads);
    wait_for_reaper();
    Ok(alive)
}

/// Many short threads, the reaper left to follow at its own pace: their stacks come back.
pub fn threads_leave_nothing_behind() -> Outcome {
    const BATCHES: usize = 40;
    const BATCH: usize = 25;
    let ran = Arc::new(AtomicUsize::new(0));
    // Fills the pool of idle stacks, so that it keeps the same number from now on.
    live_at_once(4 * BATCH)?;
    let before = frames_in_use();
    for _ in 0..BATCHES {
        let ran = ran.clone();
        let threads = spawn_all(BATCH, move || {
            ran.fetch_add(1, Relaxed);
        })?;
        threads.iter().for_each(|thread| thread.join());
    }
    check(ran.load(Relaxed) == BATCHES * BATCH, "a thread did not run")?;
    wait_for_reaper();
    // Fills the pool again: what it lacks would hide as many lost stacks.
    live_at_once(4 * BATCH)?;
    // A late reaper makes for more stacks at once, whose page tables stay: one for 32 stacks. A
    // lost stack per thread would be eight times the threads.
    let lost = frames_in_use().saturating_sub(before);
    check(lost <= BATCHES * BATCH / 32 + 2, "memory was lost")
}

/// 10,000 threads in batches: the frames in use are those of before, exactly, and the heap holds
/// no more than after the first batches.
pub fn ten_thousand_threads_leave_nothing() -> Outcome {
    const BATCHES: usize = 100;
    const BATCH: usize = 100;
    let ran = Arc::new(AtomicUsize::new(0));
    let batch = || {
        let ran = ran.clone();
        let threads = spawn_all(BATCH, move || {
            ran.fetch_add(1, Relaxed);
        })?;
        threads.iter().for_each(|thread| thread.join());
        drop(threads);
        wait_for_reaper();
        Outcome::Ok(())
    };
    // What is made once: idle stacks, page tables of stacks, chunks of the registry, slabs.
    live_at_once(BATCH)?;
    (0..BATCHES / 4).try_for_each(|_| batch())?;
    let (frames, heap) = (frames_in_use(), mm::stats().heap_frames);
    (0..BATCHES).try_for_each(|_| batch())?;
    check(
        ran.load(Relaxed) == (BATCHES + BATCHES / 4) * BATCH,
        "a thread did not run",
    )?;
    // Per-CPU magazines fill at their own pace: one slab for each class that a thread uses.
    check(mm::stats().heap_frames <= heap + 64, "the heap has grown")?;
    // Fills the pool of idle stacks again: what it lacks would hide as many lost ones.
    live_at_once(BATCH)?;
    check(frames_in_use() == frames, "frames were lost")
}

/// 4,096 threads that all live until the last has begun.
pub fn four_thousand_threads_at_once() -> Outcome {
    const THREADS: usize = 4096;
    if mm::stats().free_frames < THREADS * 12 {
        return Ok(()); // Stacks of 32 KiB and a guard each: the small machine has no room.
    }
    check(
        live_at_once(THREADS)? == THREADS,
        "not all were alive at once",
    )
}

/// What a CPU has accounted for, and the clock before and after it was asked.
fn account(cpu: CpuId) -> (u64, u64, u64) {
    let before = smp::now_ns();
    let s = smp::cpu_stats(cpu);
    let sum = s.user_ns + s.system_ns + s.irq_ns + s.idle_ns;
    (before, sum, smp::now_ns())
}

/// User, system, interrupt and idle time of each CPU make up the time that has passed, to a
/// thousandth, while it switches and sleeps a lot.
pub fn cpu_time_adds_up() -> Outcome {
    let cpus = smp::online_cpus();
    let before: Vec<_> = cpus.iter().map(account).collect();
    let threads = spawn_all(64, || {
        for round in 0..50 {
            smp::park(Some(smp::now_ns() + round * 10_000));
            smp::yield_now();
        }
    })?;
    threads.iter().for_each(|thread| thread.join());
    for (cpu, from) in cpus.iter().zip(before) {
        let to = account(cpu);
        let counted = to.1 - from.1;
        let (least, most) = (to.0 - from.2, to.2 - from.0);
        let thousandth = least / 1000;
        check(counted + thousandth >= least, "time of a CPU is missing")?;
        check(
            counted <= most + thousandth,
            "time of a CPU is counted twice",
        )?;
    }
    Ok(())
}
