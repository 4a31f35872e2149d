//! What a thread starts with, and what can be said about how it is scheduled.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;

use percpu::CpuSet;

use crate::platform::KernelStack;

/// The scheduling class of a thread. The nice value is kept beside it, as Linux does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Fair shares by nice value.
    #[default]
    Normal,
    /// Fair, but a wake never preempts.
    Batch,
    /// Fair with the least possible weight.
    Idle,
    /// Real time, priority 1..=99, runs until it blocks.
    Fifo(u8),
    /// Real time, priority 1..=99, equals take turns.
    RoundRobin(u8),
}

impl Policy {
    /// As a number, to be kept in an atomic.
    pub(crate) fn encode(self) -> u16 {
        match self {
            Policy::Normal => 0,
            Policy::Batch => 1,
            Policy::Idle => 2,
            Policy::Fifo(priority) => 0x100 | u16::from(priority),
            Policy::RoundRobin(priority) => 0x200 | u16::from(priority),
        }
    }

    /// The policy as `SCHED_*` of Linux, and the real-time priority.
    pub fn linux_numbers(self) -> (u8, u8) {
        match self {
            Policy::Normal => (0, 0),
            Policy::Fifo(priority) => (1, priority),
            Policy::RoundRobin(priority) => (2, priority),
            Policy::Batch => (3, 0),
            Policy::Idle => (5, 0),
        }
    }

    pub(crate) fn decode(word: u16) -> Self {
        match (word >> 8, word as u8) {
            (0, 1) => Policy::Batch,
            (0, 2) => Policy::Idle,
            (1, priority) => Policy::Fifo(priority),
            (2, priority) => Policy::RoundRobin(priority),
            _ => Policy::Normal,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpawnError {
    OutOfMemory,
    /// No free thread number, or the one asked for is in use.
    NoThreadId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AffinityError {
    /// No CPU of the set is online.
    NoCpuAllowed,
}

/// What a thread starts with.
pub struct ThreadSpec {
    pub name: String,
    pub entry: Box<dyn FnOnce() + Send>,
    /// `None`: every CPU.
    pub affinity: Option<CpuSet>,
    pub policy: Policy,
    pub nice: i8,
    /// What the kernel hangs on the thread (its task).
    pub extension: Option<Arc<dyn Any + Send + Sync>>,
    /// `None`: [`Platform::new_stack`](crate::Platform::new_stack).
    pub stack: Option<KernelStack>,
    /// A number to insist on; `None`: the next free one.
    pub tid: Option<u32>,
}

impl ThreadSpec {
    pub fn new(name: impl Into<String>, entry: impl FnOnce() + Send + 'static) -> Self {
        Self {
            name: name.into(),
            entry: Box::new(entry),
            affinity: None,
            policy: Policy::Normal,
            nice: 0,
            extension: None,
            stack: None,
            tid: None,
        }
    }

    pub fn affinity(mut self, set: CpuSet) -> Self {
        self.affinity = Some(set);
        self
    }

    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    pub fn nice(mut self, nice: i8) -> Self {
        self.nice = nice;
        self
    }

    pub fn extension(mut self, extension: Arc<dyn Any + Send + Sync>) -> Self {
        self.extension = Some(extension);
        self
    }

    pub fn tid(mut self, tid: u32) -> Self {
        self.tid = Some(tid);
        self
    }
}
