//! Threads: what one is, how it is named, referred to and asked for.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::any::Any;
use core::fmt;
use core::ops::Deref;
use core::sync::atomic::{AtomicI8, AtomicU16, AtomicUsize, Ordering::Relaxed};

use percpu::{CpuId, CpuSet};

use crate::platform::KernelStack;
use crate::runtime::runtime;
use crate::stats::{ThreadCounters, ThreadStats};
use crate::sync::{Lock, UnsafeCell, irqs_off};

/// A thread's name for life and after: the number is used again, the generation is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId {
    pub tid: u32,
    pub generation: u32,
}

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

/// Where a thread is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    New,
    Running,
    /// Committed to sleep; its context is not saved yet.
    Parking,
    Blocked,
    Ready,
    Dead,
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

/// A counted reference to a [`Thread`]; equality is identity.
#[derive(Clone)]
pub struct ThreadRef(pub(crate) Arc<Thread>);

impl Deref for ThreadRef {
    type Target = Thread;

    fn deref(&self) -> &Thread {
        &self.0
    }
}

impl PartialEq for ThreadRef {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ThreadRef {}

impl fmt::Debug for ThreadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ThreadId { tid, generation } = self.id();
        write!(f, "thread {tid}.{generation}")
    }
}

impl ThreadRef {
    /// Wakes the thread, or leaves a wake token that ends its next park. Any context.
    pub fn unpark(&self) {
        runtime().unpark(self);
    }

    /// Restricts the thread to `set`, at once even if it is running.
    pub fn set_affinity(&self, set: &CpuSet) -> Result<(), AffinityError> {
        runtime().set_affinity(self, set)
    }

    pub fn set_policy(&self, policy: Policy) {
        runtime().set_policy(self, policy);
    }

    /// Sleeps until the thread is dead.
    pub fn join(&self) {
        runtime().join(self);
    }
}

/// A thread. The scheduler's own state is grouped by who may touch it.
pub struct Thread {
    id: ThreadId,
    name: Lock<String>,
    extension: Lock<Option<Arc<dyn Any + Send + Sync>>>,
    affinity: Lock<CpuSet>,
    policy: AtomicU16,
    nice: AtomicI8,
    pub(crate) counters: ThreadCounters,
    /// Where the architecture keeps the saved stack pointer; see [`Thread::context`].
    context: AtomicUsize,
    pub(crate) launch: UnsafeCell<Launch>,
}

/// What a thread is started from and stands on. Touched by its creator before it is first
/// enqueued, then by itself, then by the reaper once it is dead: never by two at a time.
pub(crate) struct Launch {
    pub entry: Option<Box<dyn FnOnce() + Send>>,
    pub stack: Option<KernelStack>,
}

// SAFETY: `launch` is the only field that is not `Sync`, and its holder is unique at each
// stage of the thread's life (see `Launch`).
unsafe impl Send for Thread {}
// SAFETY: as above.
unsafe impl Sync for Thread {}

impl Thread {
    pub(crate) fn new(id: ThreadId, spec: ThreadSpec) -> Self {
        let initial_sp = spec.stack.as_ref().map_or(0, |stack| stack.initial_sp);
        Self {
            id,
            name: Lock::new(spec.name),
            extension: Lock::new(spec.extension),
            affinity: Lock::new(spec.affinity.unwrap_or(CpuSet::ALL)),
            policy: AtomicU16::new(spec.policy.encode()),
            nice: AtomicI8::new(spec.nice),
            counters: ThreadCounters::default(),
            context: AtomicUsize::new(initial_sp),
            launch: UnsafeCell::new(Launch {
                entry: Some(spec.entry),
                stack: spec.stack,
            }),
        }
    }

    pub fn id(&self) -> ThreadId {
        self.id
    }

    pub fn tid(&self) -> u32 {
        self.id.tid
    }

    pub fn name(&self) -> String {
        let _irqs = irqs_off();
        self.name.lock().clone()
    }

    pub fn set_name(&self, name: &str) {
        let mut name = name.to_string();
        let _irqs = irqs_off();
        core::mem::swap(&mut *self.name.lock(), &mut name);
    }

    pub fn phase(&self) -> Phase {
        todo!()
    }

    /// The CPU it runs on or last ran on.
    pub fn cpu(&self) -> CpuId {
        todo!()
    }

    pub fn affinity(&self) -> CpuSet {
        let _irqs = irqs_off();
        *self.affinity.lock()
    }

    pub(crate) fn store_affinity(&self, set: &CpuSet) {
        let _irqs = irqs_off();
        *self.affinity.lock() = *set;
    }

    pub(crate) fn store_policy(&self, policy: Policy) {
        self.policy.store(policy.encode(), Relaxed);
    }

    pub fn policy(&self) -> Policy {
        Policy::decode(self.policy.load(Relaxed))
    }

    pub fn nice(&self) -> i8 {
        self.nice.load(Relaxed)
    }

    /// Takes effect the next time the thread is queued or charged.
    pub fn set_nice(&self, nice: i8) {
        self.nice.store(nice.clamp(-20, 19), Relaxed);
    }

    pub fn stats(&self) -> ThreadStats {
        self.counters.snapshot()
    }

    /// What the kernel hung on the thread, if it is a `T`. `None` once the thread is reaped.
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let _irqs = irqs_off();
        self.extension.lock().clone()?.downcast().ok()
    }

    /// Hangs `extension` on a thread that was created and not yet started.
    pub fn set_extension(&self, extension: Arc<dyn Any + Send + Sync>) {
        let mut slot = Some(extension);
        let _irqs = irqs_off();
        core::mem::swap(&mut *self.extension.lock(), &mut slot);
    }

    /// Where [`Platform::switch`](crate::Platform::switch) saves the stack pointer of a thread
    /// that leaves the CPU and finds that of one that enters.
    pub fn context(&self) -> &AtomicUsize {
        &self.context
    }
}

impl Policy {
    fn encode(self) -> u16 {
        match self {
            Policy::Normal => 0,
            Policy::Batch => 1,
            Policy::Idle => 2,
            Policy::Fifo(priority) => 0x100 | u16::from(priority),
            Policy::RoundRobin(priority) => 0x200 | u16::from(priority),
        }
    }

    fn decode(word: u16) -> Self {
        match (word >> 8, word as u8) {
            (0, 1) => Policy::Batch,
            (0, 2) => Policy::Idle,
            (1, priority) => Policy::Fifo(priority),
            (2, priority) => Policy::RoundRobin(priority),
            _ => Policy::Normal,
        }
    }
}
