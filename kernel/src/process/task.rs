//! One user thread: what Linux calls a task. Its scheduling half is an [`smp::ThreadRef`].

use super::credentials::Credentials;
use super::futex::queue::Waiter;
use super::restart::Restart;
use super::rseq::Rseq;
use super::signal::{SignalSet, TaskSignals};
use super::thread_group::Process;
use crate::arch::{self, TrapFrame, UserState};
use crate::fs::{FileTable, FsContext};
use alloc::boxed::Box;
use alloc::sync::Arc;
use bitflags::bitflags;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use smp::{SpinLock, ThreadRef};
use spin::Once;

bitflags! {
    /// Why a task must not simply go on to user mode, nor go on waiting.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Attention: u32 {
        /// A signal that is not blocked is pending.
        const SIGNAL = 1 << 0;
        /// The task is to exit (exit_group, a fatal signal, another thread's execve).
        const EXIT = 1 << 1;
        /// The process is stopped.
        const STOP = 1 << 2;
        /// The signal mask is a temporary one (sigsuspend, ppoll): put the saved one back.
        const RESTORE_MASK = 1 << 3;
        /// A registered restartable sequence must be looked at (`rseq`).
        const RSEQ = 1 << 4;
        /// Timers on the CPU time of the process wait for one that uses some (`cpu_time`).
        const CPU_TIME = 1 << 5;
        /// What ends a wait.
        const INTERRUPTS = Self::SIGNAL.bits() | Self::EXIT.bits() | Self::STOP.bits();
    }
}

/// A user thread.
///
/// Lock order: the process tree, then [`Process::state`], then [`Task::signals`].
pub struct Task {
    /// The Linux tid; changes only when a thread that is not the leader calls execve.
    tid: AtomicU32,
    process: Arc<Process>,
    thread: Once<ThreadRef>,
    /// FP/SIMD registers and TLS pointer; the switch code's.
    pub user: UserState,
    attention: AtomicU32,
    pub(crate) signals: SpinLock<TaskSignals>,
    /// This and the next two the task alone changes, so that it reads them without the lock
    /// ([`Current`](super::Current)); others take it.
    pub(super) credentials: SpinLock<Arc<Credentials>>,
    /// `SCHED_RESET_ON_FORK`: what it makes starts without its privileges (sched(7)).
    resets_on_fork: AtomicBool,
    /// Gone, as its place, once the task has exited.
    pub(super) files: SpinLock<Option<Arc<FileTable>>>,
    pub(super) fs: SpinLock<Option<Arc<FsContext>>>,
    /// Where to write 0 and wake a futex at exit (`CLONE_CHILD_CLEARTID`, set_tid_address(2)).
    pub(crate) clear_child_tid: AtomicUsize,
    /// The robust futex list's head (set_robust_list(2)).
    pub(crate) robust_list: AtomicUsize,
    /// It has handed on the priority-inheriting futexes it held: nobody may wait for it any more.
    pub(crate) futexes_released: AtomicBool,
    /// For its waits on futexes, made by the first.
    pub(super) futex_waiter: Once<Arc<Waiter>>,
    pub(super) rseq: Rseq,
    /// How to go on with an interrupted call (restart_syscall(2)).
    pub(crate) restart: SpinLock<Option<Restart>>,
    /// The low byte of exit(2)'s argument: the process's status if this is its last thread.
    pub(super) exit_code: AtomicU8,
    /// Where the process's [`Threads`](super::threads::Threads) have it.
    pub(super) place: AtomicUsize,
    /// The real user it counts for; the process tree's.
    pub(super) charged_to: AtomicU32,
    /// What a new thread starts its user life with, until it takes it.
    pub(super) start: SpinLock<Option<Box<Start>>>,
}

/// How a new thread enters user mode.
pub(super) struct Start {
    pub registers: TrapFrame,
    /// Where the thread writes its own tid first (`CLONE_CHILD_SETTID`); 0 for nowhere.
    pub child_tid: usize,
}

/// What a task shares with, or copies from, its maker.
pub(super) struct TaskParts {
    pub process: Arc<Process>,
    pub signals: TaskSignals,
    pub credentials: Arc<Credentials>,
    pub files: Arc<FileTable>,
    pub fs: Arc<FsContext>,
    pub start: Option<Box<Start>>,
}

impl Task {
    /// Without registers yet. Made where it stays, as it is large.
    pub(super) fn new(parts: TaskParts) -> Arc<Self> {
        Arc::new_cyclic(|_| Self {
            tid: AtomicU32::new(0),
            process: parts.process,
            thread: Once::new(),
            user: UserState::new(),
            attention: AtomicU32::new(0),
            signals: SpinLock::new(parts.signals),
            credentials: SpinLock::new(parts.credentials),
            resets_on_fork: AtomicBool::new(false),
            files: SpinLock::new(Some(parts.files)),
            fs: SpinLock::new(Some(parts.fs)),
            clear_child_tid: AtomicUsize::new(0),
            robust_list: AtomicUsize::new(0),
            futexes_released: AtomicBool::new(false),
            futex_waiter: Once::new(),
            rseq: Rseq::default(),
            restart: SpinLock::new(None),
            exit_code: AtomicU8::new(0),
            place: AtomicUsize::new(0),
            charged_to: AtomicU32::new(0),
            start: SpinLock::new(parts.start),
        })
    }

    /// Ties the task to its scheduler thread, once, before it first runs.
    pub(super) fn attach(&self, thread: ThreadRef) {
        self.tid.store(thread.id().tid, Ordering::Relaxed);
        self.thread.call_once(|| thread);
    }

    pub(super) fn take_tid(&self, tid: u32) {
        self.tid.store(tid, Ordering::Relaxed);
    }

    pub fn tid(&self) -> u32 {
        self.tid.load(Ordering::Relaxed)
    }

    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }

    /// The scheduler's side of it.
    pub fn thread(&self) -> &ThreadRef {
        self.thread
            .get()
            .expect("a task is attached to its thread before anyone sees it")
    }

    pub fn resets_on_fork(&self) -> bool {
        self.resets_on_fork.load(Ordering::Relaxed)
    }

    pub fn set_resets_on_fork(&self, resets: bool) {
        self.resets_on_fork.store(resets, Ordering::Relaxed);
    }

    pub fn credentials(&self) -> Arc<Credentials> {
        self.credentials.lock().clone()
    }

    /// The descriptor table; `None` once the task has exited (seen through /proc).
    pub fn files_of(&self) -> Option<Arc<FileTable>> {
        self.files.lock().clone()
    }

    /// Bytes of its descriptor table, which it may share. Takes no reference: the last one would
    /// close files.
    pub(super) fn share_of_files(&self) -> usize {
        let share = |files: &Arc<FileTable>| files.table_bytes() / Arc::strong_count(files);
        self.files.lock().as_ref().map_or(0, share)
    }

    pub fn fs_of(&self) -> Option<Arc<FsContext>> {
        self.fs.lock().clone()
    }

    pub(crate) fn attention(&self) -> Attention {
        Attention::from_bits_retain(self.attention.load(Ordering::Relaxed))
    }

    /// Raises a reason; the caller then unparks the thread if it may be waiting.
    pub(super) fn raise(&self, reason: Attention) {
        self.attention.fetch_or(reason.bits(), Ordering::SeqCst);
    }

    pub(super) fn lower(&self, reason: Attention) {
        self.attention.fetch_and(!reason.bits(), Ordering::SeqCst);
    }

    /// Raises a reason and makes sure that it is seen: ends a wait, interrupts user mode.
    pub(super) fn notify(&self, reason: Attention) {
        self.raise(reason);
        let Some(thread) = self.thread.get() else {
            return;
        };
        thread.unpark();
        // Who does not run looks for reasons before it enters user mode.
        if thread.id() != smp::current_id()
            && let Some(cpu) = thread.running_on()
        {
            arch::interrupt_cpu(cpu);
        }
    }

    /// Whether a wait must end: something to deliver, a stop, an exit.
    pub fn is_interrupted(&self) -> bool {
        self.attention().intersects(Attention::INTERRUPTS)
    }

    /// Whether the task is bound to exit: even waits that ignore signals end.
    pub fn is_dying(&self) -> bool {
        self.attention().contains(Attention::EXIT)
    }

    pub fn signal_mask(&self) -> SignalSet {
        self.signals.lock().blocked
    }
}
