//! References to threads, and what may be asked of a thread through one.

use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

use percpu::{CpuId, CpuSet};

use super::{Thread, ThreadId};
use crate::params::Params;
use crate::runtime::runtime;
use crate::spec::{AffinityError, Policy, ThreadSpec};
use crate::state::State;
use crate::{realtime, share};

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
    /// Another reference to a thread that somebody holds one to.
    ///
    /// # Safety
    /// The thread is alive, and in an `Arc`.
    pub(crate) unsafe fn share(thread: *const Thread) -> Self {
        // SAFETY: alive, says the caller.
        let thread = unsafe { &*thread };
        thread.magic.check();
        let thread = thread.this;
        // SAFETY: alive and in the `Arc` that `thread` points into.
        unsafe { Arc::increment_strong_count(thread) };
        // SAFETY: the count just added.
        unsafe { Self::from_raw(thread) }
    }

    pub(crate) fn new(id: ThreadId, spec: ThreadSpec) -> Self {
        Self::in_state(State::new(), id, spec)
    }

    /// The thread a CPU boots on and idles in.
    pub(crate) fn new_idle(cpu: CpuId) -> Self {
        let id = ThreadId {
            tid: 0,
            generation: cpu.index() as u32,
        };
        let spec = ThreadSpec::new(alloc::format!("idle/{cpu}"), || {});
        Self::in_state(State::new_running(cpu), id, spec)
    }

    /// Made where it stays: a thread is large, and has to know its place.
    fn in_state(state: State, id: ThreadId, spec: ThreadSpec) -> Self {
        Self(Arc::new_cyclic(|this| {
            Thread::new(this.as_ptr(), id, spec, state)
        }))
    }

    /// # Safety
    /// `thread` carries a reference, from `Arc::into_raw`, that becomes the result.
    pub(crate) unsafe fn from_raw(thread: *const Thread) -> Self {
        // SAFETY: says the caller.
        let thread = unsafe { Arc::from_raw(thread) };
        thread.magic.check();
        Self(thread)
    }

    /// Wakes the thread, or leaves a wake token that ends its next park. Any context.
    pub fn unpark(&self) {
        runtime().unpark(self);
    }

    /// The same for one that the calling thread hands something over to: a caller that has just
    /// woken itself does not hold it up as it would one that it writes messages to.
    pub fn call(&self) {
        runtime().call(self);
    }

    /// Restricts the thread to `set`. It runs nowhere else when this returns, as Linux has it: if
    /// another CPU runs it, that one is interrupted and the caller sleeps until it has left.
    /// Thread context.
    pub fn set_affinity(&self, set: &CpuSet) -> Result<(), AffinityError> {
        const LOOK_AGAIN_NS: u64 = 50_000;
        runtime().set_affinity(self, set)?;
        // Somebody else may have given it that CPU back meanwhile.
        let strays = |cpu| !set.contains(cpu) && !self.affinity().contains(cpu);
        while self.running_on().is_some_and(strays) {
            crate::park(Some(crate::now_ns() + LOOK_AGAIN_NS));
        }
        Ok(())
    }

    /// Changes class, priority or nice value, or several as one, at once even if it is running.
    pub fn change_params(&self, change: impl Fn(Params) -> Params) {
        runtime().change_params(self, &change);
        #[cfg(not(loom))]
        crate::pi::pass_on(self.clone());
    }

    pub fn set_policy(&self, policy: Policy) {
        self.change_params(|params| Params { policy, ..params });
    }

    /// The nice value, -20 to 19; values beyond are clamped.
    pub fn set_nice(&self, nice: i8) {
        self.change_params(|params| Params { nice, ..params });
    }

    /// How long it runs before an equal takes its turn; 0: as long as it likes. What the fair class
    /// grants depends on how many want to run on its CPU now.
    pub fn turn_ns(&self) -> u64 {
        match self.policy() {
            Policy::Fifo(_) => 0,
            Policy::RoundRobin(_) => realtime::TURN_NS,
            _ => share::slice_ns(runtime().cpu_stats(self.cpu()).nr_ready as usize + 1),
        }
    }

    /// The high-water mark of its kernel stack, in bytes; `None` if that cannot be told.
    pub fn stack_used(&self) -> Option<usize> {
        runtime().stack_used(self)
    }

    /// Sleeps until the thread is dead.
    pub fn join(&self) {
        runtime().join(self);
    }
}
