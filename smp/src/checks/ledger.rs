//! Double-entry bookkeeping: where each thread is, written down a second time.
//!
//! The protocols know a thread's place by the structures it is in. Beside them every thread has
//! one word that says the same, and each move checks that it starts where the thread should be:
//!
//! ```text
//!            assume                     into_raw
//!   OUT ----------------> HELD <----------------------> PLACED
//!    ^                                assume               | run
//!    '----------------- leave ------- RUNNING(cpu) <-------'
//! ```
//!
//! Whoever moves a thread is its only holder, so plain loads and stores do; if two hold it, one
//! of them finds the other's entry.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use percpu::CpuId;

use super::{Breach, Found, report};
use crate::thread::Thread;

/// Where a thread is, as its last mover wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// New, asleep, dead, or between a CPU and its queue.
    Out,
    /// In somebody's hands.
    Held,
    /// In an inbox, a queue or a slot.
    Placed,
    Running(CpuId),
}

const OUT: u32 = 0;
const HELD: u32 = 1;
const PLACED: u32 = 2;
const RUNNING: u32 = 3;

/// The entry of one thread.
pub(crate) struct Entry(AtomicU32);

impl Whereabouts {
    fn unpack(word: u32) -> Self {
        match word & 0xff {
            OUT => Self::Out,
            HELD => Self::Held,
            PLACED => Self::Placed,
            _ => Self::Running(CpuId::new((word >> 8) as usize)),
        }
    }
}

const fn running(cpu: CpuId) -> u32 {
    RUNNING | (cpu.index() as u32) << 8
}

impl Entry {
    pub const fn new() -> Self {
        Self(AtomicU32::new(OUT))
    }

    #[inline(always)]
    fn go(&self, thread: &Thread, breach: Breach, allowed: impl Fn(u32) -> bool, next: u32) {
        let before = self.0.load(Relaxed);
        self.0.store(next, Relaxed);
        if !allowed(before) {
            let (before, after) = (Whereabouts::unpack(before), Whereabouts::unpack(next));
            report(breach, thread, Found::Whereabouts { before, after });
        }
    }
}

/// The thread comes into somebody's hands.
#[inline(always)]
pub(crate) fn take(thread: &Thread) {
    let waits = |before| before == OUT || before == PLACED;
    thread.entry.go(thread, Breach::Token, waits, HELD);
}

/// Its holder puts it into an inbox, a queue or a slot, or onto a CPU.
#[inline(always)]
pub(crate) fn put(thread: &Thread) {
    let held = |before| before == HELD;
    thread.entry.go(thread, Breach::Token, held, PLACED);
}

/// `cpu` is about to run the thread.
#[inline(always)]
pub(crate) fn run(thread: &Thread, cpu: CpuId) {
    let put = |before| before == PLACED;
    thread.entry.go(thread, Breach::TwoCpus, put, running(cpu));
}

/// `cpu` has left the thread and is about to say so: from then on others may take it.
#[inline(always)]
pub(crate) fn leave(thread: &Thread, cpu: CpuId) {
    let here = |before| before == running(cpu);
    thread.entry.go(thread, Breach::TwoCpus, here, OUT);
}
