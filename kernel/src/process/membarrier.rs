//! Memory barriers on behalf of others (membarrier(2)): one side of a handshake pays, the other
//! gets by without a barrier.
//!
//! Who is in user mode is interrupted: taking an exception and returning from it is a barrier, and
//! synchronizes the instruction stream too. Who is not has passed the barriers of a switch since,
//! or passes those of the next one ([`smp::Thread::running_on`]).

use super::{Current, Process};
use crate::arch;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};
use percpu::{CpuId, CpuSet, cpu_local};
use smp::Mutex;

/// One request at a time, so that an answer is always to the latest.
static REQUEST: Mutex<()> = Mutex::new(());

cpu_local! {
    /// Requests this CPU has answered.
    static ANSWERED: AtomicUsize = AtomicUsize::new(0);
}

/// What a process has said it will ask for; a bit per command of registration.
#[derive(Default)]
pub struct Registered(AtomicU32);

impl Registered {
    pub fn add(&self, command: u32) {
        self.0.fetch_or(command, Ordering::Relaxed);
    }

    pub fn has(&self, command: u32) -> bool {
        self.0.load(Ordering::Relaxed) & command != 0
    }

    pub fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// A forked child's.
    pub fn inherit(&self, parent: &Self) {
        self.0
            .store(parent.0.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// A barrier on every CPU.
pub fn everywhere() {
    fence(Ordering::SeqCst);
    on(smp::online_cpus());
    fence(Ordering::SeqCst);
}

/// A barrier on each CPU that runs a thread of the caller's process.
pub fn in_process(current: &Current) {
    fence(Ordering::SeqCst);
    on(running(current.process()));
    fence(Ordering::SeqCst);
}

/// The CPUs that run the process's threads.
fn running(process: &Process) -> CpuSet {
    let mut running = CpuSet::EMPTY;
    process.each_thread(|task| {
        if let Some(cpu) = task.thread().running_on() {
            running.insert(cpu);
        }
    });
    running
}

/// Interrupts the CPUs and waits until each has answered or gone offline.
fn on(cpus: CpuSet) {
    let _request = REQUEST.lock();
    let ask = |cpu: CpuId| {
        let before = ANSWERED.remote(cpu).load(Ordering::Relaxed);
        arch::request_barrier(cpu);
        (cpu, before)
    };
    // This one too, wherever the thread is by then: being interrupted is as good.
    let online = smp::online_cpus();
    let asked: alloc::vec::Vec<_> = cpus
        .iter()
        .filter(|cpu| online.contains(*cpu))
        .map(ask)
        .collect();
    for (cpu, before) in asked {
        while ANSWERED.remote(cpu).load(Ordering::Acquire) == before {
            if !smp::online_cpus().contains(cpu) {
                break;
            }
            percpu::spin_hint();
        }
    }
}

/// The interrupt's handler.
pub fn answer() {
    let masked = percpu::irq::mask();
    if let Some(current) = super::try_current() {
        super::rseq::disturb(current.task());
    }
    fence(Ordering::SeqCst);
    ANSWERED.get(&masked).fetch_add(1, Ordering::Release);
}
