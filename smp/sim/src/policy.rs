//! What a scheduler is to the virtual machine, and the schedulers compared.
//!
//! All calls are actions of the CPU that the hardware says acts ([`Hardware::here`]). What they
//! cost beyond the machine's own charges (interrupt, wake) they charge to the hardware.

mod broadcast;
mod central;
mod core;
mod owner_pull;
mod round_robin;
mod steal_half;
mod steal_one;
mod two_choices;
mod weft;

use std::sync::Arc;

use crate::hardware::Hardware;
pub use weft::Weft;

/// A thread's number: small, dense, never 0.
pub type Task = u32;

/// How a thread is to be scheduled. `Default`: fair, anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskSpec {
    /// The only CPU it may use.
    pub pinned: Option<usize>,
    /// Real-time priority 1 to 99, first in first out. Only Weft knows real time.
    pub realtime: Option<u8>,
}

/// Why a CPU was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// By another CPU.
    Peer,
    Timer,
    /// By a device: its handler will wake threads, then call `end_of_interrupt`.
    Device,
}

pub trait Policy {
    /// A thread that does not run yet.
    fn create(&mut self, task: Task, spec: TaskSpec);
    /// Lets a created thread run.
    fn start(&mut self, task: Task);
    /// The running thread, or a device's handler, wakes a thread.
    fn wake(&mut self, task: Task);
    /// The running thread sleeps; false when a wake or the deadline forbade it.
    fn park(&mut self, deadline_ns: Option<u64>) -> bool;
    fn yield_now(&mut self);
    /// The running thread ends.
    fn exit(&mut self);
    fn interrupt(&mut self, reason: Interrupt);
    fn end_of_interrupt(&mut self) {}
    /// Goes on to what the CPU does next: which thread it runs, `None` when it waits.
    fn rest(&mut self) -> Option<Task>;
    /// Whether threads that move pay for cold caches. Only an ideal does not.
    fn pays_refill(&self) -> bool {
        true
    }
}

/// The policies by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Central,
    Weft,
    StealHalf,
    StealOne,
    OwnerPull,
    TwoChoices,
    RoundRobin,
    Broadcast,
}

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::Central,
        Self::Weft,
        Self::StealHalf,
        Self::StealOne,
        Self::OwnerPull,
        Self::TwoChoices,
        Self::RoundRobin,
        Self::Broadcast,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Central => "central queue (bound)",
            Self::Weft => "Weft",
            Self::StealHalf => "steal half (Go, tokio)",
            Self::StealOne => "steal one (ULE)",
            Self::OwnerPull => "owner pull (ax-task)",
            Self::TwoChoices => "two choices",
            Self::RoundRobin => "round-robin index",
            Self::Broadcast => "global queue, broadcast (LK)",
        }
    }

    /// The policy on `hardware`; `seed` feeds those that choose at random.
    pub fn build(self, hardware: &Arc<Hardware>, seed: u64) -> Box<dyn Policy> {
        use core::Rival;
        match self {
            Self::Central => Box::new(Rival::new(hardware, central::Central::default())),
            Self::Weft => Box::new(Weft::new(hardware)),
            Self::StealHalf => Box::new(Rival::new(hardware, steal_half::StealHalf::new(seed))),
            Self::StealOne => Box::new(Rival::new(hardware, steal_one::StealOne)),
            Self::OwnerPull => Box::new(Rival::new(hardware, owner_pull::OwnerPull::new(hardware))),
            Self::TwoChoices => Box::new(Rival::new(hardware, two_choices::TwoChoices::new(seed))),
            Self::RoundRobin => Box::new(Rival::new(hardware, round_robin::RoundRobin::default())),
            Self::Broadcast => Box::new(Rival::new(hardware, broadcast::Broadcast::default())),
        }
    }
}
