//! Memory barriers on behalf of others (membarrier(2)): one side of a handshake pays, the other
//! gets by without a barrier.
//!
//! Who is in user mode is interrupted: taking an exception and returning from it is a barrier, and
//! synchronizes the instruction stream too. Who is not has passed the barriers of a switch since,
//! or passes those of the next one ([`smp::Thread::running_on`]).

use super::{Current, Process};
use crate::arch;
use core::sync::atomic::{AtomicU32, Ordering, fence};
use percpu::{CpuId, CpuSet, cpu_local};
use smp::Mutex;
use smp::barriers::{Answered, Requests};

/// One request at a time.
static REQUESTER: Mutex<()> = Mutex::new(());
static REQUESTS: Requests = Requests::new();

cpu_local! {
    static ANSWERED: Answered = Answered::new();
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

fn is_online(cpu: CpuId) -> bool {
    smp::online_cpus().contains(cpu)
}

/// Interrupts the CPUs and waits until each has answered or gone offline.
fn on(cpus: CpuSet) {
    let _one = REQUESTER.lock();
    let request = REQUESTS.begin();
    // This one too, wherever the thread is by then: being interrupted is as good.
    cpus.iter()
        .filter(|&cpu| is_online(cpu))
        .for_each(arch::request_barrier);
    for cpu in cpus.iter() {
        while is_online(cpu) && !ANSWERED.remote(cpu).has(request) {
            percpu::spin_hint();
        }
    }
}

/// The interrupt's handler. A CPU that has come online answers unasked: an interrupt sent to it before
/// it went off may be lost.
pub fn answer() {
    let masked = percpu::irq::mask();
    if let Some(current) = super::try_current() {
        super::rseq::disturb(current.task());
    }
    REQUESTS.answer(ANSWERED.get(&masked));
}
