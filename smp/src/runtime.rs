//! The blocking layer's only door to the scheduler, and the architecture's way in.
//!
//! [`Runtime`] is object-safe and installed once. Free functions forward to it. On the host,
//! before (or without) an installation, they are backed by std threads.

use percpu::{CpuId, CpuSet};

use crate::account::TimeClass;
use crate::fair_server::RealtimeLimit;
use crate::offline::OfflineError;
use crate::params::Params;
use crate::spec::{AffinityError, SpawnError, ThreadSpec};
use crate::stats::CpuStats;
use crate::thread::{ThreadId, ThreadRef};

/// Why [`park`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unparked {
    /// Somebody called `unpark` (perhaps before the park). Recheck what you waited for.
    Woken,
    /// The deadline passed.
    TimedOut,
}

/// What a scheduler offers. [`Scheduler`](crate::Scheduler) implements it for every platform.
///
/// "Thread context" below means: a thread runs, IRQs unmasked, preempt count 0.
pub trait Runtime: Sync {
    /// The calling thread. Any context; in an IRQ handler, the interrupted thread.
    fn current(&self) -> ThreadRef;
    /// `current().id()` without touching the reference count.
    fn current_id(&self) -> ThreadId;
    /// Sleeps until `unpark` or the deadline. The wake token is sticky: an `unpark` before the
    /// park ends it at once. May return `Woken` spuriously. Thread context.
    fn park(&self, deadline_ns: Option<u64>) -> Unparked;
    /// Wakes `thread` or leaves it a wake token. Any context, never blocks or allocates.
    fn unpark(&self, thread: &ThreadRef);
    /// The same, as [`ThreadRef::call`] has it. Any context, never blocks or allocates.
    fn call(&self, thread: &ThreadRef) {
        self.unpark(thread);
    }
    /// Lets equals run first. Thread context.
    fn yield_now(&self);
    /// Monotonic nanoseconds. Any context.
    fn now_ns(&self) -> u64;
    /// A thread that does not run yet; complete it (`set_extension`) and [`start`] it.
    /// Thread context.
    fn create(&self, spec: ThreadSpec) -> Result<ThreadRef, SpawnError>;
    /// Takes back a thread that was created and will not be started. Thread context.
    fn discard(&self, thread: &ThreadRef);
    /// Makes a created thread runnable. Once per thread. Any context.
    fn start(&self, thread: &ThreadRef);
    /// Ends the calling thread. Thread context.
    fn exit(&self) -> !;
    /// Sleeps until `thread` is dead (its stack is no longer in use). Thread context.
    fn join(&self, thread: &ThreadRef);
    /// Restricts `thread` to `set`; a running thread that must leave its CPU is interrupted.
    /// If it is the caller, it runs on an allowed CPU on return. Thread context.
    fn set_affinity(&self, thread: &ThreadRef, set: &CpuSet) -> Result<(), AffinityError>;
    /// Changes class, priority or nice value, for a thread that runs or waits at once. `change`
    /// may be called more than once, if others change the same thread. Any context.
    fn change_params(&self, thread: &ThreadRef, change: &dyn Fn(Params) -> Params);
    /// What is lent to `thread` changed (`pi/`): as after [`change_params`](Self::change_params).
    fn announce(&self, thread: &ThreadRef);
    /// How much of each CPU real-time threads may have. Any context.
    fn realtime_limit(&self) -> &RealtimeLimit;
    /// The first thread of number `tid` or above that is not yet reaped, idle threads left out.
    fn thread_from(&self, tid: u32) -> Option<ThreadRef>;
    /// All of them, by number.
    fn threads(&self) -> impl Iterator<Item = ThreadRef>
    where
        Self: Sized,
    {
        walk(self, 0)
    }
    /// How much of the thread's kernel stack has been used at most, in bytes; `None` when that
    /// cannot be told, or the thread is gone. Looks at each word: for people.
    fn stack_used(&self, _thread: &ThreadRef) -> Option<usize> {
        None
    }
    fn find_thread(&self, tid: u32) -> Option<ThreadRef>;
    fn cpu_stats(&self, cpu: CpuId) -> CpuStats;
    fn online_cpus(&self) -> CpuSet;
    /// Tells the scheduler the earliest deadline of the calling CPU's timer queue
    /// ([`crate::timers`]), so that one hardware timer serves both. IRQs masked.
    fn set_timer_deadline(&self, deadline_ns: Option<u64>);
    /// Charges elapsed time and changes class; returns the former. IRQs masked.
    fn enter_class(&self, class: TimeClass) -> TimeClass;
    /// The reschedule interrupt's handler. IRQs masked.
    fn on_reschedule_ipi(&self);
    /// The timer interrupt's handler: ends sleeps, runs expired timers
    /// ([`crate::timers::run_expired`]), checks the quantum. IRQs masked.
    fn on_timer(&self);
    /// Switches threads if a reschedule is wanted and the preempt count is 0. Called with IRQs
    /// masked, at the end of every interrupt and before every return to user mode; returns
    /// with IRQs masked, perhaps much later and on another CPU.
    fn preempt_if_needed(&self);
    /// Announces that the calling CPU is ready to run threads. IRQs masked, each time the CPU
    /// starts and before [`run_idle`].
    fn cpu_online(&self, cpu: CpuId);
    /// Asks `cpu` to hand over its threads and go off; it does when they have left it. One CPU
    /// at a time. Thread context.
    fn begin_offline(&self, cpu: CpuId) -> Result<(), OfflineError>;
    /// What remains when `cpu` is off: its timers move to the calling CPU. Thread context.
    fn finish_offline(&self, cpu: CpuId);
    /// Whether the slowest clusters are filled first, instead of spreading. Any context.
    fn set_power_saving(&self, saving: bool);
    fn power_saving(&self) -> bool;
    /// Turns the calling context (the CPU's boot stack) into its idle thread.
    fn run_idle(&'static self) -> !;
}

static RUNTIME: spin::Once<&'static dyn Runtime> = spin::Once::new();

/// Makes `runtime` the one behind the free functions. The first call wins.
pub fn install_runtime(runtime: &'static dyn Runtime) {
    RUNTIME.call_once(|| runtime);
}

/// The installed runtime; on the host, std threads until one is installed.
#[inline]
pub fn runtime() -> &'static dyn Runtime {
    match RUNTIME.get() {
        Some(runtime) => *runtime,
        None => fallback(),
    }
}

/// Whether a scheduler runs yet: early boot code must not block.
pub fn is_installed() -> bool {
    RUNTIME.get().is_some()
}

#[cfg(not(target_os = "none"))]
fn fallback() -> &'static dyn Runtime {
    &crate::host::HostRuntime
}

#[cfg(target_os = "none")]
fn fallback() -> &'static dyn Runtime {
    panic!("the scheduler was used before install_runtime")
}

pub fn current() -> ThreadRef {
    runtime().current()
}

pub fn current_id() -> ThreadId {
    runtime().current_id()
}

pub fn park(deadline_ns: Option<u64>) -> Unparked {
    runtime().park(deadline_ns)
}

pub fn yield_now() {
    runtime().yield_now();
}

pub fn now_ns() -> u64 {
    runtime().now_ns()
}

pub fn create(spec: ThreadSpec) -> Result<ThreadRef, SpawnError> {
    runtime().create(spec)
}

pub fn discard(thread: &ThreadRef) {
    runtime().discard(thread);
}

pub fn start(thread: &ThreadRef) {
    runtime().start(thread);
}

/// [`create`] and [`start`] in one.
pub fn spawn(spec: ThreadSpec) -> Result<ThreadRef, SpawnError> {
    let thread = create(spec)?;
    start(&thread);
    Ok(thread)
}

pub fn exit() -> ! {
    runtime().exit()
}

#[cfg(not(loom))]
pub(crate) fn announce(thread: &ThreadRef) {
    runtime().announce(thread);
}

pub fn realtime_limit() -> &'static RealtimeLimit {
    runtime().realtime_limit()
}

/// All threads that are not yet reaped, idle threads left out, by number: each as it is when the
/// walk comes to it.
pub fn threads() -> impl Iterator<Item = ThreadRef> {
    threads_from(0)
}

/// As [`threads`], those from number `tid` on.
pub fn threads_from(tid: u32) -> impl Iterator<Item = ThreadRef> {
    walk(runtime(), tid)
}

fn walk(runtime: &(impl Runtime + ?Sized), mut from: u32) -> impl Iterator<Item = ThreadRef> {
    core::iter::from_fn(move || {
        let thread = runtime.thread_from(from)?;
        from = thread.tid() + 1;
        Some(thread)
    })
}

pub fn find_thread(tid: u32) -> Option<ThreadRef> {
    runtime().find_thread(tid)
}

pub fn cpu_stats(cpu: CpuId) -> CpuStats {
    runtime().cpu_stats(cpu)
}

pub fn online_cpus() -> CpuSet {
    runtime().online_cpus()
}

pub fn on_reschedule_ipi() {
    runtime().on_reschedule_ipi();
}

pub fn on_timer() {
    runtime().on_timer();
}

pub fn preempt_if_needed() {
    runtime().preempt_if_needed();
}

pub fn cpu_online(cpu: CpuId) {
    runtime().cpu_online(cpu);
}

pub fn begin_offline(cpu: CpuId) -> Result<(), OfflineError> {
    runtime().begin_offline(cpu)
}

pub fn finish_offline(cpu: CpuId) {
    runtime().finish_offline(cpu);
}

pub fn set_power_saving(saving: bool) {
    runtime().set_power_saving(saving);
}

pub fn power_saving() -> bool {
    runtime().power_saving()
}

pub fn run_idle() -> ! {
    runtime().run_idle()
}
