//! CPUs go off and come back under load, and nothing is lost: no thread, no wake, no timer.

use super::{Outcome, check};
use crate::hotplug::{HotplugError, set_online};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use percpu::{CpuId, CpuSet};
use smp::{ThreadRef, ThreadSpec, Timer, Unparked};

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// A few cycles, for every run of the tests.
pub fn cpus_come_and_go() -> Outcome {
    cycles(12)
}

/// The long run, by name only: `weft.selftest=hotplug-1000`.
pub fn cpus_come_and_go_for_long() -> Outcome {
    cycles(1000)
}

fn cycles(count: usize) -> Outcome {
    let all: Vec<CpuId> = smp::online_cpus().iter().collect();
    if all.len() == 1 {
        let refused = matches!(set_online(all[0], false), Err(HotplugError::LastCpu));
        return check(refused, "the only CPU was let go");
    }
    let load = Load::start(all.len())?;
    let mut random = SEED;
    let outcome = (0..count).try_for_each(|_| {
        one_cycle(&all, &mut random)?;
        load.has_moved()
    });
    let restored = all.iter().try_for_each(|&cpu| online(cpu, true));
    load.end();
    outcome.and(restored)
}

/// Takes some CPUs off, the one with the calling thread among them, and brings them back.
fn one_cycle(all: &[CpuId], random: &mut u64) -> Outcome {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    let stays = all[(*random >> 32) as usize % all.len()];
    let goes = |cpu: &&CpuId| **cpu != stays && (*random >> (cpu.index() % 32)) & 1 == 1;
    for &cpu in all.iter().filter(goes) {
        online(cpu, false)?;
    }
    for &cpu in all.iter().filter(goes) {
        online(cpu, true)?;
    }
    Ok(())
}

fn online(cpu: CpuId, wanted: bool) -> Outcome {
    set_online(cpu, wanted).map_err(|_| "a CPU did not go or come")?;
    check(
        smp::online_cpus().contains(cpu) == wanted,
        "a CPU is not as asked",
    )
}

/// Threads that compute, allocate, wake each other and sleep, and a timer; each counts.
struct Load {
    counters: Arc<Vec<AtomicU32>>,
    stop: Arc<AtomicBool>,
    threads: Vec<ThreadRef>,
    timer: Arc<spin::Once<Timer>>,
}

impl Load {
    fn start(width: usize) -> Result<Self, &'static str> {
        let counters = (0..3 * width + 1).map(|_| AtomicU32::new(0)).collect();
        let mut load = Self {
            counters: Arc::new(counters),
            stop: Arc::new(AtomicBool::new(false)),
            threads: Vec::new(),
            timer: Arc::new(spin::Once::new()),
        };
        for index in 0..width {
            load.spawn(index, None, compute)?;
            load.spawn(width + index, None, sleep)?;
            // Bound to a CPU that will go.
            let home = CpuId::new(index % smp::online_cpus().count());
            load.spawn(2 * width + index, Some(home), |_| smp::yield_now())?;
        }
        load.start_timer(3 * width);
        Ok(load)
    }

    fn spawn(
        &mut self,
        index: usize,
        home: Option<CpuId>,
        step: fn(usize),
    ) -> Result<(), &'static str> {
        let (counters, stop) = (self.counters.clone(), self.stop.clone());
        let mut spec = ThreadSpec::new("load", move || {
            while !stop.load(Relaxed) {
                step(index);
                counters[index].fetch_add(1, Relaxed);
            }
        });
        spec.affinity = home.map(CpuSet::single);
        let thread = smp::spawn(spec).map_err(|_| "no memory for a thread")?;
        self.threads.push(thread);
        Ok(())
    }

    /// A timer that arms itself again.
    fn start_timer(&self, index: usize) {
        let (counters, stop) = (self.counters.clone(), self.stop.clone());
        let own = Arc::downgrade(&self.timer);
        let timer = Timer::new(move || {
            counters[index].fetch_add(1, Relaxed);
            if let Some(own) = own.upgrade()
                && let Some(timer) = own.get()
                && !stop.load(Relaxed)
            {
                timer.arm(smp::now_ns() + 300_000);
            }
        });
        self.timer.call_once(|| timer).arm(smp::now_ns());
    }

    /// Every thread and the timer go on. A runner that hears nothing for long calls it a hang.
    fn has_moved(&self) -> Outcome {
        const PATIENCE_NS: u64 = 60_000_000_000;
        let end = smp::now_ns() + PATIENCE_NS;
        let before: Vec<u32> = self.counters.iter().map(|c| c.load(Relaxed)).collect();
        for (counter, before) in self.counters.iter().zip(before) {
            while counter.load(Relaxed) == before {
                if smp::now_ns() > end {
                    return Err("a thread, a wake or a timer was lost");
                }
                smp::park(Some(smp::now_ns() + 100_000));
            }
        }
        Ok(())
    }

    fn end(self) {
        self.stop.store(true, Relaxed);
        self.threads.iter().for_each(|thread| thread.join());
        if let Some(timer) = self.timer.get() {
            timer.cancel_and_wait();
        }
    }
}

fn compute(index: usize) {
    let mut memory: Vec<Box<usize>> = (0..index % 50).map(Box::new).collect();
    memory.iter_mut().for_each(|value| **value += index);
    core::hint::black_box(memory);
}

fn sleep(index: usize) {
    let deadline = smp::now_ns() + 50_000 + 7_000 * index as u64;
    while smp::park(Some(deadline)) != Unparked::TimedOut {}
}
