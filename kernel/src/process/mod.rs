//! Processes and their threads: the kernel half of what Linux calls tasks.
//!
//! A [`Task`] is one user thread, a [`Process`] the threads that share a pid, [`table`] the tree
//! they form. [`current`] is the caller. Life: [`fork`] makes them, [`exec`] gives them a program,
//! [`exit`] and [`wait`] end them; [`signal`] interrupts them, [`futex`] lets them wait for each
//! other.

pub mod backlog;
pub mod cpu_time;
pub mod credentials;
pub mod exec;
pub mod exit;
pub mod fork;
pub mod futex;
pub mod inspect;
pub mod itimer;
pub mod job_control;
pub mod membarrier;
pub mod oom;
pub mod pidfd;
mod restart;
pub mod rlimits;
pub mod rseq;
mod running;
pub mod session;
pub mod signal;
pub mod status;
pub mod table;
mod task;
mod thread_group;
mod threads;
pub mod wait;

pub use credentials::{Capabilities, Credentials};
pub use restart::restart_with;
pub use rlimits::Resource;
pub(crate) use running::attention_of_current;
#[cfg(target_os = "none")]
pub(crate) use running::{adopt, before_switch, interrupted, is_undisturbed};
pub use session::{ControllingTerminal, Session};
pub use signal::{SigInfo, Signal, SignalSet};
pub use table::{process as process_by_pid, processes, processes_from, task as task_by_tid};
pub(crate) use task::Attention;
pub use task::Task;
pub use thread_group::{CpuTimes, Image, Process};

use crate::arch::TrapFrame;
use crate::error::Result;
use crate::fs::{Fd, FileTable, FsContext, OpenFile};
use alloc::sync::Arc;
use core::marker::PhantomData;
use core::mem;
use core::ops::Deref;
use mm::AddressSpace;

/// The calling user thread. Not to be sent anywhere: it is only right here.
pub struct Current {
    task: running::Own,
    not_send: PhantomData<*const ()>,
}

/// The calling user thread's task; `None` in kernel threads.
#[inline(always)]
pub fn try_current() -> Option<Current> {
    let task = running::task()?;
    Some(Current {
        task,
        not_send: PhantomData,
    })
}

/// The calling user thread's task. Only for code that system calls reach.
///
/// # Panics
/// In a kernel thread.
#[inline]
pub fn current() -> Current {
    try_current().expect("only user threads make system calls")
}

/// Whether the calling thread's wait must end. Never so in kernel threads.
pub fn signal_pending() -> bool {
    attention_of_current().intersects(Attention::INTERRUPTS)
}

impl Deref for Current {
    type Target = Task;

    fn deref(&self) -> &Task {
        &self.task
    }
}

impl Current {
    pub fn task(&self) -> &Arc<Task> {
        &self.task
    }

    /// Fills in what the thread starts its user life with, once; where it writes its tid, or 0.
    pub(crate) fn take_start(&self, registers: &mut TrapFrame) -> usize {
        let start = self.start.lock().take();
        start.map_or(0, |start| {
            *registers = start.registers;
            start.child_tid
        })
    }

    pub fn pid(&self) -> u32 {
        self.process().pid()
    }

    /// The descriptor table. The current task has not exited, so there is one.
    pub fn files(&self) -> Arc<FileTable> {
        self.own_files().clone()
    }

    /// The open file of a descriptor, `EBADF` if there is none.
    pub fn file(&self, fd: Fd) -> Result<Arc<OpenFile>> {
        // SAFETY: the calling task's.
        unsafe { FileTable::get_own(self.own_files(), fd) }
    }

    /// Runs `call` on the open file of a descriptor, without counting a reference if nobody shares
    /// the table.
    ///
    /// # Safety
    /// `call` neither opens nor closes descriptors of this task.
    #[inline(always)]
    pub unsafe fn with_file<R>(
        &self,
        fd: Fd,
        call: impl FnOnce(&OpenFile) -> Result<R>,
    ) -> Result<R> {
        // SAFETY: the calling task's, which `call` leaves alone, says the caller.
        unsafe { self.own_files().lend(fd, call) }
    }

    #[inline(always)]
    fn own_files(&self) -> &Arc<FileTable> {
        // SAFETY: only this thread changes it, and not while it uses this.
        let files = unsafe { self.files.unlocked() };
        files
            .as_ref()
            .expect("a running task has its descriptor table")
    }

    pub fn fs(&self) -> Arc<FsContext> {
        // SAFETY: only this thread changes it.
        let fs = unsafe { self.fs.unlocked() };
        fs.clone()
            .expect("a running task has its place in the file tree")
    }

    pub fn credentials(&self) -> Arc<Credentials> {
        // SAFETY: only this thread changes them.
        unsafe { self.credentials.unlocked() }.clone()
    }

    pub(crate) fn set_credentials(&self, credentials: Credentials) {
        let _old = mem::replace(&mut *self.credentials.lock(), Arc::new(credentials));
    }

    /// Replaces the descriptor table (execve, unshare) or drops it (exit); the old one is for the
    /// caller to drop.
    fn set_files(&self, files: Option<Arc<FileTable>>) -> Option<Arc<FileTable>> {
        mem::replace(&mut *self.files.lock(), files)
    }

    fn set_fs(&self, fs: Option<Arc<FsContext>>) -> Option<Arc<FsContext>> {
        mem::replace(&mut *self.fs.lock(), fs)
    }

    pub fn memory(&self) -> Arc<AddressSpace> {
        self.process()
            .memory()
            .expect("a running task has its address space")
    }
}
