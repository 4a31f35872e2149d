//! Priority inheritance between kernel threads, on one real CPU.

use super::{Outcome, check, costs};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use smp::{
    CpuSet, Event, Mutex, Policy, SpawnError, ThreadRef, ThreadSpec, Timeout, Unsignal, now_ns,
};

/// An ordinary owner, an urgent hog, and a more urgent thread that waits for the owner.
struct Scene {
    mutex: Mutex<()>,
    held: Event,
    waits: AtomicBool,
    served: AtomicBool,
    /// The hog ran while its better waited.
    breach: AtomicBool,
    blocked_ns: AtomicU64,
    owner_runs_ns: AtomicU64,
    let_go_ns: AtomicU64,
    /// How long the wait was beyond what the owner needed.
    window_ns: AtomicU64,
}

impl Scene {
    fn new() -> Self {
        Self {
            mutex: Mutex::new(()),
            held: Event::new(Unsignal::Manual, false),
            waits: AtomicBool::new(false),
            served: AtomicBool::new(false),
            breach: AtomicBool::new(false),
            blocked_ns: AtomicU64::new(0),
            owner_runs_ns: AtomicU64::new(0),
            let_go_ns: AtomicU64::new(0),
            window_ns: AtomicU64::new(0),
        }
    }

    /// The owner: holds the mutex until somebody waits for it.
    fn own(&self) {
        let guard = self.mutex.lock();
        self.held.signal();
        while !self.waits.load(SeqCst) {
            percpu::spin_hint();
        }
        self.owner_runs_ns.store(now_ns(), SeqCst);
        self.let_go_ns.store(now_ns(), SeqCst);
        drop(guard);
    }

    fn wait_for_owner(&self) {
        self.blocked_ns.store(now_ns(), SeqCst);
        self.waits.store(true, SeqCst);
        let guard = self.mutex.lock();
        let to_owner = self.owner_runs_ns.load(SeqCst) - self.blocked_ns.load(SeqCst);
        let from_owner = now_ns() - self.let_go_ns.load(SeqCst);
        self.window_ns.store(to_owner + from_owner, SeqCst);
        self.served.store(true, SeqCst);
        drop(guard);
    }

    /// The hog: runs until the waiting thread is served, or until it is seen to wait.
    fn look_on(&self) {
        while !self.served.load(SeqCst) {
            if self.waits.load(SeqCst) && !self.served.load(SeqCst) {
                self.breach.store(true, SeqCst);
                break;
            }
        }
    }
}

/// The hog must not run while the other waits. Prints how long that was beyond what the owner
/// needed (exact under icount).
pub fn inversion() -> Outcome {
    let scene = Arc::new(Scene::new());
    let here = CpuSet::single(smp::online_cpus().iter().last().ok_or("no CPU is online")?);
    let owns = scene.clone();
    let owner = start(Policy::Normal, here, move || owns.own());
    check(
        scene.held.wait(Timeout::Never).is_ok(),
        "the owner did not start",
    )?;
    let looks_on = scene.clone();
    let hog = move || {
        let waits = looks_on.clone();
        if start(Policy::Fifo(50), here, move || waits.wait_for_owner()).is_ok() {
            looks_on.look_on();
        }
    };
    let hog = start(Policy::Fifo(10), here, hog);
    for thread in [owner, hog] {
        thread.map_err(|_| "no memory for a thread")?.join();
    }
    while !scene.served.load(SeqCst) {
        smp::yield_now();
    }
    costs::say("inversion", alloc::vec![scene.window_ns.load(SeqCst)]);
    check(
        !scene.breach.load(SeqCst),
        "the hog ran while its better waited",
    )
}

fn start(
    policy: Policy,
    cpus: CpuSet,
    body: impl FnOnce() + Send + 'static,
) -> Result<ThreadRef, SpawnError> {
    let thread = ThreadSpec::new("inversion", body);
    smp::spawn(thread.policy(policy).affinity(cpus))
}
