//! Making processes and threads (clone(2), clone3(2), fork, vfork). What they start with is made in
//! `child.rs`.

mod child;

use super::session::Session;
use super::table::{self, Entry};
use super::task::{Attention, Task};
use super::thread_group::{Process, RunState};
use super::{Capabilities, Current, Resource, backlog, cpu_time, current, pidfd};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::user_memory::UserPtr;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use bitflags::bitflags;
use smp::{Params, SpawnError, ThreadRef, ThreadSpec};

bitflags! {
    /// `CLONE_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CloneFlags: u64 {
        const VM = 0x100;
        const FS = 0x200;
        const FILES = 0x400;
        const SIGHAND = 0x800;
        const PIDFD = 0x1000;
        const VFORK = 0x4000;
        const PARENT = 0x8000;
        const THREAD = 0x1_0000;
        const SYSVSEM = 0x4_0000;
        const SETTLS = 0x8_0000;
        const PARENT_SETTID = 0x10_0000;
        const CHILD_CLEARTID = 0x20_0000;
        /// Ignored since Linux 2.6.
        const DETACHED = 0x40_0000;
        const UNTRACED = 0x80_0000;
        const CHILD_SETTID = 0x100_0000;
        const CLEAR_SIGHAND = 0x1_0000_0000;
    }
}

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct CloneArgs {
    pub flags: CloneFlags,
    /// 0 or a signal number.
    pub exit_signal: u8,
    /// The child's stack pointer; 0 keeps the caller's.
    pub stack: usize,
    pub tls: u64,
    pub parent_tid: usize,
    pub child_tid: usize,
    /// Where the descriptor of `CLONE_PIDFD` goes.
    pub pidfd: usize,
}

impl CloneArgs {
    /// Combinations that Linux refuses, and shared signal actions without `CLONE_THREAD`, which
    /// this kernel does not have.
    fn check(&self) -> Result<()> {
        let has = |flags| self.flags.contains(flags);
        let allowed = (!has(CloneFlags::THREAD) || has(CloneFlags::SIGHAND))
            && (!has(CloneFlags::SIGHAND) || has(CloneFlags::VM | CloneFlags::THREAD))
            && !(has(CloneFlags::SIGHAND) && has(CloneFlags::CLEAR_SIGHAND))
            && !(has(CloneFlags::THREAD) && has(CloneFlags::PIDFD))
            && self.exit_signal <= 64;
        if allowed { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

/// Makes a thread or process that goes on where the caller is, with 0 in x0; returns its tid.
pub fn clone(registers: &TrapFrame, args: &CloneArgs) -> Result<u32> {
    args.check()?;
    let current = current();
    if args.flags.contains(CloneFlags::PARENT) && current.pid() == table::INIT {
        return Err(Errno::EINVAL); // nobody would wait for it
    }
    check_limit(&current)?;
    let thread = create_thread(&current)?;
    let unstarted = Unstarted(Some(thread.clone()));
    let tid = thread.id().tid;
    let task = child::build(&current, registers, args, &thread)?;
    let pidfd = prepare_pidfd(&current, args, task.process())?;
    join_tree(&current, args, &task)?;
    match args.flags.contains(CloneFlags::THREAD) {
        true => cpu_time::alarm::joined(&task),
        false => cpu_time::limit::inherited(task.process()),
    }
    if let Some(pidfd) = pidfd {
        pidfd.keep();
    }
    if args.flags.contains(CloneFlags::PARENT_SETTID) {
        // As in Linux, a bad pointer here is the caller's loss.
        let _ = UserPtr::<u32>::new(args.parent_tid).write(tid);
    }
    crate::trace::joined(&thread, task.process().pid());
    unstarted.start();
    if args.flags.contains(CloneFlags::VFORK) {
        wait_for_memory(&current, task.process());
    }
    Ok(tid)
}

/// A new thread, taken back unless it is started: it and its task hold each other, so neither would
/// go by itself, nor what the task shares with the caller: open files, memory.
struct Unstarted(Option<ThreadRef>);

impl Unstarted {
    fn start(mut self) {
        if let Some(thread) = self.0.take() {
            smp::start(&thread);
        }
    }
}

impl Drop for Unstarted {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            smp::discard(&thread);
        }
    }
}

fn check_limit(current: &Current) -> Result<()> {
    if table::is_full() {
        return Err(Errno::EAGAIN);
    }
    backlog::wait_for_reaper();
    if mm::frame::is_scarce() {
        return Err(Errno::ENOMEM);
    }
    let credentials = current.credentials();
    let limit = current.process().rlimit(Resource::Processes);
    let privileged =
        credentials.has(Capabilities::SYS_RESOURCE) || credentials.has(Capabilities::SYS_ADMIN);
    let over = table::with(|tree| tree.tasks_of(credentials.uid)) as u64 >= limit;
    if over && !privileged {
        Err(Errno::EAGAIN)
    } else {
        Ok(())
    }
}

/// A scheduler thread with the caller's name and CPUs, and its niceness and policy unless those are
/// reset on fork (sched(7): then real time and a negative niceness end). Its entry captures
/// nothing, so nothing is lost when it never returns.
fn create_thread(current: &Current) -> Result<ThreadRef> {
    let maker = current.thread();
    let mut params = maker.params();
    if current.task().resets_on_fork() {
        params.nice = params.nice.max(0);
        if params.priority() > 0 {
            params = Params::default();
        }
    }
    let spec = ThreadSpec::new(maker.name(), || crate::trap::start_user())
        .affinity(maker.affinity())
        .policy(params.policy)
        .nice(params.nice);
    smp::create(spec).map_err(|error| match error {
        SpawnError::OutOfMemory => Errno::ENOMEM,
        SpawnError::NoThreadId => Errno::EAGAIN,
    })
}

fn prepare_pidfd(
    current: &Current,
    args: &CloneArgs,
    process: &Arc<Process>,
) -> Result<Option<pidfd::Reserved>> {
    if !args.flags.contains(CloneFlags::PIDFD) {
        return Ok(None);
    }
    let reserved = pidfd::Reserved::new(current.files(), process)?;
    UserPtr::<u32>::new(args.pidfd).write(reserved.fd())?;
    Ok(Some(reserved))
}

/// Makes the task known. A process that is being killed makes no more threads.
fn join_tree(current: &Current, args: &CloneArgs, task: &Arc<Task>) -> Result<()> {
    table::with(|tree| {
        let mut state = task.process().state.lock();
        if state.is_exiting() || state.exec_pending || current.attention().contains(Attention::EXIT)
        {
            return Err(Errno::EAGAIN);
        }
        if matches!(state.run_state, RunState::Stopped(_)) {
            task.raise(Attention::STOP);
        }
        state.threads.add(task)?;
        drop(state);
        tree.insert_task(task.clone());
        if !args.flags.contains(CloneFlags::THREAD) {
            let parent = tree.entry(current.pid()).ok_or(Errno::ESRCH)?;
            // A sibling's end is told as the caller's is: not by a signal of the caller's choice.
            let (parent_pid, exit_signal) = match args.flags.contains(CloneFlags::PARENT) {
                true => (parent.parent, parent.exit_signal),
                false => (current.pid(), args.exit_signal),
            };
            let (group, session) = (parent.group, parent.session.clone());
            tree.insert(new_entry(task, parent_pid, group, session, exit_signal));
        }
        Ok(())
    })
}

pub(super) fn new_entry(
    task: &Arc<Task>,
    parent: u32,
    group: u32,
    session: Arc<Session>,
    exit_signal: u8,
) -> Entry {
    Entry {
        process: task.process().clone(),
        number: task.thread().clone(),
        leader: task.thread().clone(),
        parent,
        children: BTreeSet::new(),
        group,
        session,
        uid: task.credentials().uid,
        zombie: None,
        has_execed: false,
        exit_signal,
        is_subreaper: false,
        parent_death_signal: 0,
    }
}

/// vfork: the child has the memory until it calls execve or exits. Only death ends the wait.
fn wait_for_memory(current: &Current, child: &Process) {
    let done = || (!child.state.lock().borrows_memory || current.is_dying()).then_some(());
    // No deadline, so it cannot time out.
    let _ = child.vfork_done.wait_until(None, done);
}

/// unshare(2): own copies of what is shared with other threads or processes.
pub fn unshare(flags: CloneFlags) -> Result<()> {
    let current = current();
    if flags.contains(CloneFlags::FILES) {
        let own = Arc::new(current.files().duplicate()?);
        drop(current.set_files(Some(own)));
    }
    if flags.contains(CloneFlags::FS) {
        drop(current.set_fs(Some(Arc::new(current.fs().duplicate()))));
    }
    Ok(())
}
