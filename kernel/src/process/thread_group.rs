//! A process: the threads that share one address space, one pid and one set of signal actions.

use super::cpu_time::{CpuAlarm, CpuTimer, Places};
use super::rlimits::{Resource, Rlimits};
use super::session::Session;
use super::signal::{Actions, Pending, Signal};
use super::status::ExitStatus;
use super::table;
use super::task::{Attention, Task};
use super::threads::Threads;
use crate::error::{Errno, Result};
use crate::fs::OpenFile;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use mm::AddressSpace;
use smp::{Observers, SpinLock, WaitQueue};

/// A process. Who is whose child, group and session is kept in the [`table`], under one lock.
pub struct Process {
    pid: u32,
    started_ns: u64,
    /// The parent's pid, as the process tree last set it.
    parent: AtomicU32,
    /// Replaced by execve, gone at exit.
    memory: SpinLock<Option<Arc<AddressSpace>>>,
    /// What [`memory_name`](Self::memory_name) says, without the lock.
    memory_name: AtomicUsize,
    pub(super) state: SpinLock<ProcessState>,
    limits: SpinLock<Rlimits>,
    /// Replaced by execve, gone at exit: the last to let go of a process may not sleep.
    image: SpinLock<Option<Arc<Image>>>,
    /// Children changed state: `wait` looks again.
    pub(super) child_events: WaitQueue,
    /// A signal arrived: sigtimedwait looks again.
    pub(crate) signal_events: WaitQueue,
    /// signalfd: told of each signal that arrives.
    pub signal_observers: Observers,
    /// Readable once the process has exited: pidfd.
    pub exit_observers: Observers,
    /// A thread left, or the stop state changed.
    pub(super) thread_events: WaitQueue,
    /// The parent of a vfork waits here until `shares_memory_with_parent` ends.
    pub(super) vfork_done: WaitQueue,
    pub(crate) timers: super::itimer::Timers,
    pub(super) cpu_alarm: CpuAlarm,
    /// `RLIMIT_CPU`, once there is one.
    pub(super) cpu_limit: SpinLock<Option<CpuTimer>>,
    pub(super) cpu_places: Places,
    pub(crate) membarrier: super::membarrier::Registered,
    pub(crate) oom: super::oom::Standing,
    /// Others of its user may look into it (`PR_SET_DUMPABLE`).
    dumpable: AtomicBool,
    /// Where handlers without a restorer return to: the vDSO's `rt_sigreturn`.
    trampoline: AtomicUsize,
    /// Run time of threads that have exited, and of children waited for.
    pub(super) past: PastTimes,
}

/// What is guarded by [`Process::state`].
pub(super) struct ProcessState {
    /// Threads that have not exited; the leader first while it lives.
    pub threads: Threads,
    pub actions: Actions,
    /// Signals sent to the process as a whole.
    pub pending: Pending,
    pub run_state: RunState,
    /// The vfork parent waits until this is false.
    pub borrows_memory: bool,
    /// A thread is in execve and waits for the others to go.
    pub exec_pending: bool,
    /// Stop or continue not yet reported to the parent.
    pub unreported: Option<Change>,
}

/// Whether the threads of a process may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunState {
    Running,
    /// Job control stop by this signal.
    Stopped(u8),
    /// All threads are on their way out.
    Exiting(ExitStatus),
}

/// A job-control change that `wait` reports once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Stopped(u8),
    Continued,
}

/// What the process runs, as /proc shows it.
#[derive(Clone, Default)]
pub struct Image {
    /// The path given to execve.
    pub path: Vec<u8>,
    /// `/proc/<pid>/exe`.
    pub executable: Option<Arc<OpenFile>>,
    /// NUL-separated arguments and environment.
    pub command_line: Vec<u8>,
    pub environment: Vec<u8>,
    /// The auxiliary vector's bytes.
    pub auxiliary: Vec<u8>,
}

/// CPU time that outlives the threads that used it, in nanoseconds.
#[derive(Default)]
pub struct PastTimes {
    pub user_ns: AtomicU64,
    pub system_ns: AtomicU64,
    pub children_user_ns: AtomicU64,
    pub children_system_ns: AtomicU64,
}

/// CPU time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    pub user_ns: u64,
    pub system_ns: u64,
}

impl CpuTimes {
    pub fn total_ns(self) -> u64 {
        self.user_ns + self.system_ns
    }
}

fn name_of(memory: &Option<Arc<AddressSpace>>) -> usize {
    let name = |memory: &Arc<AddressSpace>| Arc::as_ptr(memory).addr();
    memory.as_ref().map_or(0, name)
}

impl Process {
    pub(super) fn new(
        pid: u32,
        memory: Option<Arc<AddressSpace>>,
        actions: Actions,
        limits: Rlimits,
        image: Arc<Image>,
    ) -> Arc<Self> {
        let state = ProcessState {
            threads: Threads::default(),
            actions,
            pending: Pending::default(),
            run_state: RunState::Running,
            borrows_memory: false,
            exec_pending: false,
            unreported: None,
        };
        Arc::new(Self {
            pid,
            started_ns: smp::now_ns(),
            parent: AtomicU32::new(0),
            memory_name: AtomicUsize::new(name_of(&memory)),
            memory: SpinLock::new(memory),
            state: SpinLock::new(state),
            limits: SpinLock::new(limits),
            image: SpinLock::new(Some(image)),
            child_events: WaitQueue::new(),
            signal_events: WaitQueue::new(),
            signal_observers: Observers::new(),
            exit_observers: Observers::new(),
            thread_events: WaitQueue::new(),
            vfork_done: WaitQueue::new(),
            timers: super::itimer::Timers::default(),
            cpu_alarm: CpuAlarm::default(),
            cpu_limit: SpinLock::new(None),
            cpu_places: Places::default(),
            membarrier: super::membarrier::Registered::default(),
            oom: super::oom::Standing::default(),
            dumpable: AtomicBool::new(true),
            trampoline: AtomicUsize::new(0),
            past: PastTimes::default(),
        })
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether all its threads are bound to exit.
    pub fn is_exiting(&self) -> bool {
        self.state.lock().is_exiting()
    }

    /// Monotonic time of its start.
    pub fn started_ns(&self) -> u64 {
        self.started_ns
    }

    /// The address space; `None` once the process has exited.
    pub fn memory(&self) -> Option<Arc<AddressSpace>> {
        self.memory.lock().clone()
    }

    /// What tells its address space from others, and nothing else; 0 once the process has exited.
    pub fn memory_name(&self) -> usize {
        self.memory_name.load(Ordering::Relaxed)
    }

    /// What its end would give back, in pages: those resident and those of its descriptor tables.
    pub fn held_pages(&self) -> usize {
        let resident = |memory: &Arc<AddressSpace>| memory.resident_pages();
        let resident = self.memory.lock().as_ref().map_or(0, resident);
        let mut table_bytes = 0;
        self.each_thread(|task| table_bytes += task.share_of_files());
        resident + table_bytes / mm::PAGE_SIZE
    }

    pub(super) fn set_memory(
        &self,
        memory: Option<Arc<AddressSpace>>,
    ) -> Option<Arc<AddressSpace>> {
        let mut place = self.memory.lock();
        self.memory_name.store(name_of(&memory), Ordering::Relaxed);
        core::mem::replace(&mut *place, memory)
    }

    /// Makes the address space this CPU's: at a switch, IRQs masked.
    #[cfg(target_os = "none")]
    pub(super) fn activate_memory(&self) {
        match &*self.memory.lock() {
            Some(memory) => memory.activate(),
            None => mm::space::deactivate(),
        }
    }

    /// Empty once the process has exited.
    pub fn image(&self) -> Arc<Image> {
        self.image.lock().clone().unwrap_or_default()
    }

    pub(super) fn set_image(&self, image: Option<Image>) {
        let new = image.map(Arc::new);
        let _old = core::mem::replace(&mut *self.image.lock(), new);
    }

    pub(super) fn trampoline(&self) -> usize {
        self.trampoline.load(Ordering::Relaxed)
    }

    pub(super) fn set_trampoline(&self, address: usize) {
        self.trampoline.store(address, Ordering::Relaxed);
    }

    pub fn is_dumpable(&self) -> bool {
        self.dumpable.load(Ordering::Relaxed)
    }

    pub fn set_dumpable(&self, dumpable: bool) {
        self.dumpable.store(dumpable, Ordering::Relaxed);
    }

    /// The soft limit of a resource.
    pub fn rlimit(&self, resource: Resource) -> u64 {
        self.limits.lock().soft(resource)
    }

    pub(crate) fn limits(&self) -> &SpinLock<Rlimits> {
        &self.limits
    }

    /// The threads that have not exited.
    pub fn threads(&self) -> Result<Vec<Arc<Task>>> {
        let state = self.state.lock();
        let mut threads = Vec::new();
        let room = threads.try_reserve_exact(state.threads.len());
        room.map_err(|_| Errno::ENOMEM)?;
        threads.extend_from_slice(&state.threads);
        Ok(threads)
    }

    pub fn thread_count(&self) -> usize {
        self.state.lock().threads.len()
    }

    /// Looks at each thread with the process locked.
    pub fn each_thread(&self, look: impl FnMut(&Arc<Task>)) {
        self.state.lock().threads.iter().for_each(look);
    }

    /// Some thread that has not exited: the leader while it lives.
    pub fn first_thread(&self) -> Option<Arc<Task>> {
        self.state.lock().threads.first().cloned()
    }

    /// The name (comm) of the leader.
    pub fn name(&self) -> String {
        table::leader_name(self.pid)
    }

    /// 0 for init.
    pub fn parent_pid(&self) -> u32 {
        self.parent.load(Ordering::Relaxed)
    }

    pub(super) fn set_parent(&self, pid: u32) {
        self.parent.store(pid, Ordering::Relaxed);
    }

    pub fn group_id(&self) -> u32 {
        table::with(|tree| tree.entry(self.pid).map_or(0, |entry| entry.group))
    }

    pub fn session_id(&self) -> u32 {
        table::with(|tree| tree.entry(self.pid).map_or(0, |entry| entry.session.id()))
    }

    /// `None` once the parent has waited for it.
    pub fn session(&self) -> Option<Arc<Session>> {
        table::with(|tree| tree.entry(self.pid).map(|entry| entry.session.clone()))
    }

    /// Whether the process ignores `signal`, by default or by request.
    pub fn ignores(&self, signal: Signal) -> bool {
        self.state.lock().actions.ignores(signal)
    }

    /// Whether all threads have exited; the entry stays until the parent has waited.
    pub fn is_zombie(&self) -> bool {
        table::with(|tree| {
            tree.entry(self.pid)
                .is_none_or(|entry| entry.zombie.is_some())
        })
    }

    pub fn is_stopped(&self) -> bool {
        matches!(self.state.lock().run_state, RunState::Stopped(_))
    }

    /// Whether a thread of it runs now, for who has raised something for those that do not
    /// ([`smp::Thread::running_on`]).
    pub(super) fn runs(&self) -> bool {
        let runs = |task: &Arc<Task>| task.thread().running_on().is_some();
        self.state.lock().threads.iter().any(runs)
    }

    /// CPU time of all its threads, past and present.
    pub fn cpu_times(&self) -> CpuTimes {
        let state = self.state.lock();
        let past = CpuTimes {
            user_ns: self.past.user_ns.load(Ordering::Relaxed),
            system_ns: self.past.system_ns.load(Ordering::Relaxed),
        };
        state.threads.iter().fold(past, |sum, task| {
            let stats = task.thread().stats();
            CpuTimes {
                user_ns: sum.user_ns + stats.user_ns,
                system_ns: sum.system_ns + stats.system_ns(),
            }
        })
    }

    /// CPU time of the children that were waited for.
    pub fn children_times(&self) -> CpuTimes {
        CpuTimes {
            user_ns: self.past.children_user_ns.load(Ordering::Relaxed),
            system_ns: self.past.children_system_ns.load(Ordering::Relaxed),
        }
    }
}

impl ProcessState {
    /// Raises a reason on every thread and ends their waits.
    pub fn notify_all(&self, reason: Attention) {
        self.threads.iter().for_each(|task| task.notify(reason));
    }

    pub fn is_exiting(&self) -> bool {
        matches!(self.run_state, RunState::Exiting(_))
    }
}
