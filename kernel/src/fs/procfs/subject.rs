//! What a directory of /proc is about: a process, one of its threads, or a kernel thread.

use crate::error::{Errno, Result};
use crate::fs::node::FileType;
use crate::fs::synthetic::Made;
use crate::process::inspect::Ids;
use crate::process::{self, Process, Task, try_current};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use mm::AddressSpace;
use mm::space::Usage;
use smp::{Params, Phase, ThreadRef};

/// A process with the thread that speaks for it, or a kernel thread.
#[derive(Clone)]
pub struct Subject {
    pub id: u32,
    /// `None` in kernel threads.
    pub process: Option<Arc<Process>>,
    /// `None` in zombies.
    pub task: Option<Arc<Task>>,
    /// `None` in zombies.
    pub thread: Option<ThreadRef>,
    /// Only this thread is meant, not its whole process.
    pub one_thread: bool,
}

/// The numbers in /proc from `first` on: processes and kernel threads, ascending.
pub fn pids_from(first: u32) -> impl Iterator<Item = u32> {
    let processes = process::processes_from(first).map(|process| process.pid());
    let mut processes = processes.peekable();
    let kernel = smp::threads_from(first).filter(is_kernel);
    let mut kernel = kernel.map(|thread| thread.tid()).peekable();
    core::iter::from_fn(move || match (processes.peek(), kernel.peek()) {
        (Some(process), Some(thread)) if process > thread => kernel.next(),
        (Some(_), _) => processes.next(),
        (None, _) => kernel.next(),
    })
}

fn is_kernel(thread: &ThreadRef) -> bool {
    thread.extension::<Task>().is_none()
}

impl Subject {
    /// The process `pid` or the kernel thread of that number.
    pub fn process(pid: u32) -> Option<Self> {
        if let Ok(process) = process::process_by_pid(pid) {
            let task = process.first_thread();
            let thread = task.as_ref().map(|task| task.thread().clone());
            return Some(Self {
                id: pid,
                process: Some(process),
                task,
                thread,
                one_thread: false,
            });
        }
        let thread = smp::find_thread(pid).filter(is_kernel)?;
        Some(Self {
            id: pid,
            process: None,
            task: None,
            thread: Some(thread),
            one_thread: false,
        })
    }

    /// The names below `task/`, in no order.
    pub fn tids(&self) -> Result<Vec<u32>> {
        let Some(process) = &self.process else {
            return Ok([self.id].into());
        };
        let mut tids = Vec::new();
        let threads = process.threads()?;
        let room = tids.try_reserve_exact(threads.len());
        room.map_err(|_| Errno::ENOMEM)?;
        tids.extend(threads.iter().map(|task| task.tid()));
        tids.sort_unstable();
        Ok(tids)
    }

    /// The thread `tid` below `task/`.
    pub fn thread(&self, tid: u32) -> Option<Subject> {
        match &self.process {
            None => (tid == self.id).then(|| Self {
                one_thread: true,
                ..self.clone()
            }),
            Some(process) => {
                let task = process::task_by_tid(tid).ok()?;
                Arc::ptr_eq(task.process(), process).then(|| self.of_task(task))
            }
        }
    }

    fn of_task(&self, task: Arc<Task>) -> Subject {
        let thread = Some(task.thread().clone());
        Self {
            id: task.tid(),
            process: self.process.clone(),
            task: Some(task),
            thread,
            one_thread: true,
        }
    }

    pub fn name(&self) -> String {
        match (&self.thread, &self.process) {
            (Some(thread), _) => thread.name(),
            (None, Some(process)) => process.name(),
            (None, None) => String::new(),
        }
    }

    /// The state's letter (proc_pid_stat(5)).
    pub fn state(&self) -> char {
        let Some(thread) = &self.thread else {
            return 'Z';
        };
        if self
            .process
            .as_ref()
            .is_some_and(|process| process.is_stopped())
        {
            return 'T';
        }
        match thread.phase() {
            Phase::New | Phase::Running | Phase::Ready => 'R',
            Phase::Parking | Phase::Blocked => 'S',
            Phase::Dead => 'X',
        }
    }

    pub fn memory(&self) -> Option<Arc<AddressSpace>> {
        self.process.as_ref()?.memory()
    }

    /// Sizes of its memory, without those of its page tables.
    pub fn usage(&self) -> Usage {
        self.memory()
            .map(|memory| memory.brief_usage())
            .unwrap_or_default()
    }

    /// User and system time, of the thread or of the whole process, in nanoseconds.
    pub fn times(&self) -> (u64, u64) {
        match (&self.process, &self.thread) {
            (Some(process), _) if !self.one_thread => {
                let times = process.cpu_times();
                (times.user_ns, times.system_ns)
            }
            (_, Some(thread)) => {
                let stats = thread.stats();
                (stats.user_ns, stats.system_ns())
            }
            _ => (0, 0),
        }
    }

    /// How it asks to be scheduled; the default in zombies.
    pub fn params(&self) -> Params {
        let thread = self.thread.as_ref();
        thread.map_or_else(Params::default, |thread| thread.params())
    }

    /// Its file, owned by whom it acts for. Of a process that others must not look into, root owns
    /// what is not for everybody.
    pub fn owning(&self, file: Made) -> Made {
        const FOR_ALL: u16 = 0o555;
        let public = file.file_type() == FileType::Directory && file.permissions == FOR_ALL;
        match &self.process {
            Some(process) if !public && !process.is_dumpable() => file.owned_by(0, 0),
            _ => self.owning_itself(file),
        }
    }

    /// Its file, owned by its effective user and group.
    pub fn owning_itself(&self, file: Made) -> Made {
        let (uid, gid) = self.task.as_ref().map_or((0, 0), |task| {
            let credentials = task.credentials();
            (credentials.euid, credentials.egid)
        });
        file.owned_by(uid, gid)
    }

    /// Whether the caller is of this process.
    pub fn is_own(&self) -> bool {
        let caller = try_current().map(|current| current.pid());
        self.process.as_ref().map(|process| process.pid()) == caller
    }

    /// `EACCES` unless the caller may look into the process.
    pub fn check_inspect(&self) -> Result<()> {
        match (&self.task, try_current()) {
            (Some(task), Some(current)) if !current.may_inspect(task, Ids::File) => {
                Err(Errno::EACCES)
            }
            _ => Ok(()),
        }
    }

    /// The task, or `ESRCH` once it has exited.
    pub fn living(&self) -> Result<&Arc<Task>> {
        self.task.as_ref().ok_or(Errno::ESRCH)
    }
}
