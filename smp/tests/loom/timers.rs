//! Timers: cancelling against firing, arming anew and moving to another CPU.

use crate::harness::model;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;
use smp::CpuId;
use smp::timers::{Timer, machine, run_expired, take_over};

const RACE: &str = "Causality violation";

model!(cancel_meets_firing within 3, timer_begins_late: RACE, timer_ends_relaxed: RACE);
model!(arming_meets_firing within 3, timer_runs_once: RACE);
model!(cancel_meets_hop within 3, hop_unasked: "fires after it was cancelled");

/// What callbacks work on, a cell for each CPU, none of them atomic.
struct Work([UnsafeCell<u32>; 2]);

// SAFETY: each cell is its CPU's until the timer is cancelled; loom checks.
unsafe impl Sync for Work {}
// SAFETY: as above.
unsafe impl Send for Work {}

impl Work {
    fn touch(&self, cpu: usize) {
        // SAFETY: as above.
        self.0[cpu].with_mut(|value| unsafe { *value += 1 });
    }
}

/// CPU 0's timer fires while CPU 1 cancels it and then takes away what the callback uses.
fn cancel_meets_firing() {
    let work = Arc::new(Work([UnsafeCell::new(0), UnsafeCell::new(0)]));
    let used = work.clone();
    let timer = Timer::new(move || used.touch(0));
    timer.arm(1);
    let fires = thread::spawn(|| {
        machine::become_cpu(0);
        run_expired(1);
    });
    machine::become_cpu(1);
    timer.cancel_and_wait();
    work.touch(0);
    fires.join().unwrap();
    machine::become_cpu(0);
    run_expired(1);
}

/// While the callback runs on CPU 0 the timer is armed on CPU 1, fires there too and is cancelled.
fn arming_meets_firing() {
    let work = Arc::new(Work([UnsafeCell::new(0), UnsafeCell::new(0)]));
    let used = work.clone();
    let timer = Timer::new(move || used.touch(machine::cpu()));
    timer.arm(1);
    let fires = thread::spawn(|| {
        machine::become_cpu(0);
        run_expired(1);
    });
    machine::become_cpu(1);
    timer.arm(1);
    run_expired(1);
    timer.cancel_and_wait();
    (0..2).for_each(|cpu| work.touch(cpu));
    fires.join().unwrap();
}

/// CPU 0 has stopped; its timers are taken over by CPU 1 while somebody cancels one.
fn cancel_meets_hop() {
    let fired = Arc::new(AtomicUsize::new(0));
    let seen = fired.clone();
    let timer = Timer::new(move || {
        seen.fetch_add(1, Relaxed);
    });
    timer.arm(1);
    let hop = thread::spawn(|| {
        machine::become_cpu(1);
        take_over(CpuId::new(0));
    });
    assert!(timer.cancel(), "nobody else disarms it");
    hop.join().unwrap();
    for cpu in 0..2 {
        machine::become_cpu(cpu);
        run_expired(1);
    }
    assert_eq!(fired.load(Relaxed), 0, "fires after it was cancelled");
}
