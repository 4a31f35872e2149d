//! The scheduler on real CPUs: time, preemption, placement, wakes, births and deaths.

use super::{Outcome, check, on_every_cpu};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use percpu::{CpuId, CpuSet};
use smp::{Policy, ThreadSpec, Unparked};

fn only(cpu: CpuId) -> CpuSet {
    core::iter::once(cpu).collect()
}

fn spin_for(duration_ns: u64) {
    let end = smp::now_ns() + duration_ns;
    while smp::now_ns() < end {
        percpu::spin_hint();
    }
}

/// A sleep never ends early, on any CPU. (How late depends on the host.)
pub fn sleeps_last_as_long_as_asked() -> Outcome {
    static EARLY: AtomicU32 = AtomicU32::new(0);
    on_every_cpu(|index| {
        for round in 1..20u64 {
            let deadline = smp::now_ns() + round * 100_000 + index as u64 * 777;
            while smp::park(Some(deadline)) != Unparked::TimedOut {}
            EARLY.fetch_add(u32::from(smp::now_ns() < deadline), Ordering::Relaxed);
        }
    });
    check(EARLY.load(Ordering::Relaxed) == 0, "a sleep ended early")
}

/// A thread that never yields shares its CPU with one that wants it to stop.
pub fn spinning_threads_are_preempted() -> Outcome {
    on_every_cpu(|_| {
        let stop = Arc::new(AtomicBool::new(false));
        let (hog_stop, cpu) = (stop.clone(), percpu::cpu_id());
        let hog = ThreadSpec::new("hog", move || {
            while !hog_stop.load(Ordering::Relaxed) {
                percpu::spin_hint();
            }
        });
        let hog = smp::spawn(hog.affinity(only(cpu))).expect("memory for a thread");
        spin_for(20_000_000);
        stop.store(true, Ordering::Relaxed);
        hog.join();
    });
    Ok(())
}

/// CPUs with nothing to do are left alone: no tick, no polling.
pub fn idle_cpus_sleep() -> Outcome {
    const WINDOW_NS: u64 = 200_000_000;
    /// A network timer or two; a tick of a kilohertz would be 200.
    const BOUND: u64 = 20;
    let interrupts = || -> Vec<(CpuId, u64)> {
        let online = smp::online_cpus();
        let of = |cpu| {
            let stats = smp::cpu_stats(cpu);
            (cpu, stats.timer_irqs + stats.ipis_received)
        };
        online.iter().map(of).collect()
    };
    let before = interrupts();
    let end = smp::now_ns() + WINDOW_NS;
    while smp::park(Some(end)) != Unparked::TimedOut {}
    let quiet = before
        .iter()
        .zip(interrupts())
        .all(|((_, before), (_, after))| after - before < BOUND);
    check(quiet, "an idle CPU was interrupted again and again")
}

/// Twice as many busy threads as CPUs, all born on one: every CPU gets to run some.
pub fn load_reaches_every_cpu() -> Outcome {
    let cpus = smp::online_cpus().count();
    let ran: Arc<Vec<AtomicUsize>> =
        Arc::new((0..percpu::MAX_CPUS).map(|_| AtomicUsize::new(0)).collect());
    let spawn = |_| {
        let ran = ran.clone();
        let busy = move || {
            for _ in 0..20 {
                spin_for(1_000_000);
                ran[percpu::cpu_id().index()].fetch_add(1, Ordering::Relaxed);
            }
        };
        smp::spawn(ThreadSpec::new("busy", busy)).expect("memory for a thread")
    };
    let threads: Vec<_> = (0..2 * cpus).map(spawn).collect();
    threads.iter().for_each(|thread| thread.join());
    let reached = ran
        .iter()
        .filter(|count| count.load(Ordering::Relaxed) > 0)
        .count();
    check(reached == cpus, "a CPU stayed without work")
}

/// Two threads on different CPUs hand a token back and forth; no wake is lost.
pub fn wakes_cross_cpus() -> Outcome {
    const ROUNDS: u32 = 2000;
    let cpus: Vec<CpuId> = smp::online_cpus().iter().collect();
    let turn = Arc::new(AtomicU32::new(0));
    let other_turn = turn.clone();
    let own = smp::current();
    let last = *cpus.last().expect("a CPU is online");
    let echo = ThreadSpec::new("echo", move || {
        for round in 0..ROUNDS {
            while other_turn.load(Ordering::Acquire) != 2 * round + 1 {
                smp::park(None);
            }
            other_turn.store(2 * round + 2, Ordering::Release);
            own.unpark();
        }
    });
    let echo = smp::spawn(echo.affinity(only(last))).map_err(|_| "no memory for a thread")?;
    for round in 0..ROUNDS {
        turn.store(2 * round + 1, Ordering::Release);
        echo.unpark();
        while turn.load(Ordering::Acquire) != 2 * round + 2 {
            smp::park(None);
        }
    }
    echo.join();
    Ok(())
}

/// A running thread told to move is on its new CPU at once.
pub fn affinity_is_obeyed() -> Outcome {
    let all = smp::online_cpus();
    let own = smp::current();
    for cpu in all.iter() {
        own.set_affinity(&only(cpu))
            .map_err(|_| "an online CPU was refused")?;
        check(percpu::cpu_id() == cpu, "the thread stayed where it was")?;
    }
    own.set_affinity(&all).map_err(|_| "all CPUs were refused")
}

/// Who is urgent and waits where nobody can be preempted runs elsewhere as soon as it may.
pub fn urgent_threads_wait_for_nobody() -> Outcome {
    const PATIENCE_NS: u64 = 5_000_000_000;
    static HELD: AtomicBool = AtomicBool::new(false);
    static RAN: AtomicBool = AtomicBool::new(false);
    static GAVE_UP: AtomicBool = AtomicBool::new(false);
    let all = smp::online_cpus();
    let here = all.iter().last().ok_or("no CPU is online")?;
    if all.count() == 1 {
        return Ok(()); // there is no elsewhere
    }
    let own = smp::current();
    let elsewhere: CpuSet = all.iter().filter(|&cpu| cpu != here).collect();
    own.set_affinity(&elsewhere).map_err(|_| "refused")?;
    let hold = || {
        let stays = percpu::preempt::disable();
        HELD.store(true, Ordering::Release);
        let end = smp::now_ns() + PATIENCE_NS;
        while !RAN.load(Ordering::Acquire) && smp::now_ns() < end {
            percpu::spin_hint();
        }
        GAVE_UP.store(!RAN.load(Ordering::Acquire), Ordering::Relaxed);
        drop(stays);
    };
    let holder = ThreadSpec::new("holder", hold).affinity(only(here));
    let holder = smp::spawn(holder).map_err(|_| "no memory for a thread")?;
    while !HELD.load(Ordering::Acquire) {
        smp::yield_now();
    }
    let urgent = ThreadSpec::new("urgent", || RAN.store(true, Ordering::Release));
    let urgent = urgent.affinity(only(here)).policy(Policy::Fifo(1));
    let urgent = smp::spawn(urgent).map_err(|_| "no memory for a thread")?;
    urgent.set_affinity(&all).map_err(|_| "refused")?;
    holder.join();
    urgent.join();
    own.set_affinity(&all).map_err(|_| "refused")?;
    check(!GAVE_UP.load(Ordering::Relaxed), "it waited where it was")
}
