//! Always-on checkers: a second look at what the protocols promise, while the machine runs.
//!
//! Each costs a few instructions per switch and none takes a lock:
//! * [`ledger`]: exactly one token per ready thread, no thread on two CPUs;
//! * [`placement`]: no thread where it may not run, and no CPU asleep while a thread that it could
//!   run waited elsewhere for longer than [`placement::BOUND_NS`].
//!
//! A breach is counted by kind, and is a panic where breaches are fatal: on the host always, in
//! the kernel if its command line says `weft.check=panic`, as the test machines do.

pub(crate) mod ledger;
pub(crate) mod placement;
#[cfg(all(test, not(loom)))]
mod tests;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use percpu::CpuId;

use crate::thread::{Thread, ThreadId};

/// What was found to be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// A thread was taken or queued twice.
    Token,
    /// A thread runs on two CPUs.
    TwoCpus,
    /// A thread runs where it may not, and nobody was about to move it.
    Affinity,
    /// A CPU slept while a thread that it could run waited elsewhere.
    Conservation,
}

impl Breach {
    pub const ALL: [Self; 4] = [
        Self::Token,
        Self::TwoCpus,
        Self::Affinity,
        Self::Conservation,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::TwoCpus => "two_cpus",
            Self::Affinity => "affinity",
            Self::Conservation => "conservation",
        }
    }
}

static COUNTS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
static FATAL: AtomicBool = AtomicBool::new(cfg!(not(target_os = "none")));

/// How often each breach was found since boot.
pub fn breaches() -> impl Iterator<Item = (Breach, u64)> {
    let counts = Breach::ALL.into_iter().zip(&COUNTS);
    counts.map(|(breach, count)| (breach, count.load(Relaxed)))
}

/// Whether a breach is a panic.
pub fn set_fatal(fatal: bool) {
    FATAL.store(fatal, Relaxed);
}

/// `thread` was found in breach; `found` is what the checker saw.
#[cold]
#[inline(never)]
pub(crate) fn report(breach: Breach, thread: &Thread, found: Found) {
    COUNTS[breach as usize].fetch_add(1, Relaxed);
    if FATAL.load(Relaxed) {
        let ThreadId { tid, generation } = thread.id();
        panic!("scheduler check {breach:?}: thread {tid}.{generation} {found:?}");
    }
}

/// What a checker saw, for the message.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "read by people, in the message")]
pub(crate) enum Found {
    Whereabouts {
        before: ledger::Whereabouts,
        after: ledger::Whereabouts,
    },
    ForbiddenOn(CpuId),
    WaitedWhileAsleep {
        waited_ns: u64,
        asleep: CpuId,
        asleep_ns: u64,
        scene: placement::Scene,
    },
}
