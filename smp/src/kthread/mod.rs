//! Kernel threads for kernel code: made suspended, resumed, joined with a limit, detached.
//!
//! [`KernelThread`] is a counted handle; [`Priority`] one of 32 levels, mapped onto the classes.
//! What such a thread ends with waits in its [`Control`] for whoever joins. It stands on
//! [`Runtime`](crate::Runtime) alone, so the same code runs on the host's threads.

mod control;
mod priority;
mod slots;

#[cfg(all(test, not(loom)))]
mod tests;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;

use percpu::{CpuId, CpuSet};

use crate::params::Params;
use crate::runtime::{self, current};
use crate::spec::{AffinityError, SpawnError, ThreadSpec};
use crate::thread::{Phase, ThreadRef};
use crate::timeout::Timeout;

use control::Control;
pub use priority::Priority;
pub use slots::Slot;
pub(crate) use slots::Slots;

/// Why a join gave no exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinError {
    TimedOut,
    /// The thread is, or was meanwhile, detached: nobody may wait for it.
    Detached,
    /// A thread cannot wait for its own end.
    OwnEnd,
}

/// A kernel thread. When the last handle goes, a thread that was never resumed goes with it; one
/// that runs goes on.
#[derive(Clone)]
pub struct KernelThread(Arc<Handle>);

struct Handle {
    thread: ThreadRef,
    control: Arc<Control>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.control.is_suspended() && self.thread.phase() == Phase::New {
            runtime::discard(&self.thread);
        }
    }
}

impl KernelThread {
    /// A suspended thread; what `entry` returns is its exit code. Thread context.
    pub fn create(
        name: impl Into<String>,
        priority: Priority,
        entry: impl FnOnce() -> i32 + Send + 'static,
    ) -> Result<Self, SpawnError> {
        let control = Arc::new(Control::new(priority));
        let own = control.clone();
        let (policy, nice) = priority.class(false);
        let spec = ThreadSpec::new(name, move || own.end(entry()))
            .extension(control.clone())
            .policy(policy)
            .nice(nice);
        let thread = runtime::create(spec)?;
        Ok(Self(Arc::new(Handle { thread, control })))
    }

    /// The calling thread, if it was made here.
    pub fn current() -> Option<Self> {
        let thread = current();
        let control = thread.extension::<Control>()?;
        Some(Self(Arc::new(Handle { thread, control })))
    }

    /// The scheduler's side of it: number, name, phase, statistics.
    pub fn thread(&self) -> &ThreadRef {
        &self.0.thread
    }

    /// Lets a suspended thread run. False if it was resumed before. Any context.
    pub fn resume(&self) -> bool {
        let first = self.0.control.resume();
        if first {
            runtime::start(&self.0.thread);
        }
        first
    }

    /// Waits for the thread's end; gives its exit code, to as many as ask. Thread context.
    pub fn join(&self, timeout: Timeout) -> Result<i32, JoinError> {
        if runtime::current_id() == self.0.thread.id() {
            return Err(JoinError::OwnEnd);
        }
        let code = self.0.control.outcome(timeout)?;
        // It has said its last word: what is left is a switch.
        self.0.thread.join();
        Ok(code)
    }

    /// Gives up the right to join. Who is joining now is told so.
    pub fn detach(&self) {
        self.0.control.detach();
    }

    pub fn detach_and_resume(&self) {
        self.detach();
        self.resume();
    }

    pub fn priority(&self) -> Priority {
        self.0.control.parameters().0
    }

    /// Takes effect at once, wherever the thread is.
    pub fn set_priority(&self, priority: Priority) {
        let (_, realtime) = self.0.control.parameters();
        self.set_parameters(priority, realtime);
    }

    pub fn is_realtime(&self) -> bool {
        self.0.control.parameters().1
    }

    /// A real-time thread runs until it waits, whatever its equals would like.
    pub fn set_realtime(&self, realtime: bool) {
        self.set_parameters(self.priority(), realtime);
    }

    fn set_parameters(&self, priority: Priority, realtime: bool) {
        self.0.control.set_parameters(priority, realtime);
        let (policy, nice) = priority.class(realtime);
        self.0.thread.change_params(|_| Params { policy, nice });
    }

    /// Ties the thread to one CPU, or frees it of all ties.
    pub fn pin(&self, cpu: Option<CpuId>) -> Result<(), AffinityError> {
        self.0
            .thread
            .set_affinity(&cpu.map_or(CpuSet::ALL, CpuSet::single))
    }
}

/// Ends the calling thread, which was made by [`KernelThread::create`], with `code`.
///
/// Nothing on its stack is dropped.
pub fn exit(code: i32) -> ! {
    let control = current().extension::<Control>();
    let control = control.expect("only kernel threads made with a handle end with a code");
    control.end(code);
    drop(control);
    runtime::exit()
}

/// Sleeps for `duration_ns`, at least.
pub fn sleep(duration_ns: u64) {
    let deadline = runtime::now_ns().saturating_add(duration_ns);
    while runtime::now_ns() < deadline {
        runtime::park(Some(deadline));
    }
}

/// A resumed thread of default priority.
pub fn spawn(
    name: impl Into<String>,
    entry: impl FnOnce() -> i32 + Send + 'static,
) -> Result<KernelThread, SpawnError> {
    let entry: Box<dyn FnOnce() -> i32 + Send> = Box::new(entry);
    let thread = KernelThread::create(name, Priority::DEFAULT, entry)?;
    thread.resume();
    Ok(thread)
}
