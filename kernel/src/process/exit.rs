//! The end of threads and processes (_exit(2), exit_group(2)).
//!
//! Asking to exit only marks ([`exit_thread`], [`exit_group`], a fatal signal); a marked thread
//! leaves on its way back to user mode, where it holds no lock and no reference ([`leave`]). The
//! last one to leave takes the process with it.

use super::signal::{ActionFlags, IGNORE, SigInfo, Signal, info::code, send};
use super::status::ExitStatus;
use super::table::{self, Tree, Zombie};
use super::task::{Attention, Task};
use super::thread_group::{Process, RunState};
use super::{Current, cpu_time, current, futex};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

/// Readiness told to pidfd watchers (`POLLIN`).
const READABLE: u32 = 0x001;

/// Marks the calling thread as leaving with `code`.
pub fn exit_thread(code: u8) {
    let current = current();
    current.exit_code.store(code, Ordering::Relaxed);
    current.raise(Attention::EXIT);
}

/// Marks all threads of the calling process as leaving.
pub fn exit_group(code: u8) {
    send::begin_exit(
        &mut current().process().state.lock(),
        ExitStatus::Exited(code),
    );
}

/// Ends the calling thread, which is about to return to user mode. The caller owns nothing.
pub fn leave() -> ! {
    wind_up();
    smp::exit()
}

fn wind_up() {
    let current = current();
    release_user_words(&current, false);
    let last = leave_process(&current);
    // Closing may sleep: nothing is locked here.
    drop(current.set_files(None));
    drop(current.set_fs(None));
    if last {
        finish(&current);
    }
    // The leader's stays until the process is waited for.
    if current.tid() != current.pid() {
        drop(table::with(|tree| tree.remove_task(current.tid())));
    }
}

/// Lets go of what other threads or processes may wait for in memory: robust futexes, and the word
/// pthread_join waits for. Before the address space is left (exit, execve).
pub(super) fn release_user_words(current: &Current, goes_on: bool) {
    futex::robust::release_all(current, goes_on);
    clear_child_tid(current);
}

/// pthread_join waits for this word to become 0.
fn clear_child_tid(current: &Current) {
    let address = current.clear_child_tid.swap(0, Ordering::Relaxed);
    let shared = current
        .process()
        .memory()
        .is_some_and(|memory| Arc::strong_count(&memory) > 2);
    let alone = current.process().state.lock().threads.len() == 1 && !shared;
    if address != 0
        && !alone
        && crate::user_memory::UserPtr::<u32>::new(address)
            .write(0)
            .is_ok()
    {
        futex::wake_after_exit(address);
    }
}

/// Takes the thread out of its process; whether it was the last one.
fn leave_process(current: &Current) -> bool {
    let process = current.process();
    let (gone, last) = {
        let mut state = process.state.lock();
        // Now, so that the sum of the process does not fall back.
        let stats = current.thread().stats();
        let gone = state.threads.remove(current.task());
        process
            .past
            .user_ns
            .fetch_add(stats.user_ns, Ordering::Relaxed);
        process
            .past
            .system_ns
            .fetch_add(stats.system_ns(), Ordering::Relaxed);
        let last = state.threads.is_empty();
        if last && !state.is_exiting() {
            state.run_state = RunState::Exiting(ExitStatus::Exited(
                current.exit_code.load(Ordering::Relaxed),
            ));
        }
        send::retarget(&state, current.task());
        (gone, last)
    };
    drop(gone);
    process.thread_events.wake_all();
    last
}

/// The last thread is gone: gives up what the process has, hands its children on and tells its
/// parent.
fn finish(current: &Current) {
    let process = current.process();
    process.timers.cancel_all();
    *process.cpu_limit.lock() = None;
    cpu_time::alarm::end(process);
    process.set_image(None);
    release_memory(process);
    hang_up_terminal(process);
    let status = match process.state.lock().run_state {
        RunState::Exiting(status) => status,
        _ => ExitStatus::Exited(0),
    };
    if process.pid() == table::INIT {
        crate::power::init_exited(status);
    }
    become_zombie(
        process,
        Zombie {
            status,
            times: process.cpu_times(),
        },
    );
}

/// Leaves the address space; a vfork parent that lent it goes on.
fn release_memory(process: &Arc<Process>) {
    let memory = {
        let _irqs_off = percpu::irq::mask();
        mm::space::deactivate();
        process.set_memory(None)
    };
    drop(memory);
    return_memory(process);
}

/// Tells a vfork parent that its memory is its own again.
pub(super) fn return_memory(process: &Process) {
    process.state.lock().borrows_memory = false;
    process.vfork_done.wake_all();
}

fn hang_up_terminal(process: &Process) {
    let session = table::with(|tree| tree.entry(process.pid()).map(|entry| entry.session.clone()));
    if let Some(session) = session
        && session.id() == process.pid()
        && let Some(terminal) = session.set_terminal(None)
    {
        terminal.leader_exited();
    }
}

/// Whom to tell about a death, gathered under the tree's lock.
struct Mourners {
    parent: Option<Arc<Process>>,
    signal: u8,
    uid: u32,
    /// Adopted zombies wait for it.
    reaper: Option<Arc<Process>>,
    /// Groups that are now orphaned and have stopped members.
    hung_up: Vec<u32>,
    /// Nobody waits for this process: gone at once.
    reaped: Option<(table::Entry, Option<Arc<Task>>)>,
}

fn become_zombie(process: &Arc<Process>, zombie: Zombie) {
    tell_bereaved(process.pid());
    let mourners = table::with(|tree| bury(tree, process.pid(), zombie));
    process.exit_observers.notify(READABLE);
    for group in &mourners.hung_up {
        let _ = send::send_to_group(*group, SigInfo::kernel(Signal::HUP));
        let _ = send::send_to_group(*group, SigInfo::kernel(Signal::CONT));
    }
    if let Some(reaper) = &mourners.reaper {
        reaper.child_events.wake_all();
        let _ = send::send_to_process(reaper, SigInfo::kernel(Signal::CHLD));
    }
    let Some(parent) = &mourners.parent else {
        return;
    };
    if let Ok(signal) = Signal::new(mourners.signal.into()) {
        let mut info = child_info(process.pid(), mourners.uid, zombie);
        info.signo = signal.number().into();
        let _ = send::send_to_process(parent, info);
    }
    parent.child_events.wake_all();
}

fn bury(tree: &mut Tree, pid: u32, zombie: Zombie) -> Mourners {
    let reaper = tree.reaper_of(pid);
    let hung_up = groups_to_hang_up(tree, pid);
    let reaper = tree
        .adopt_children(pid, reaper)
        .then(|| tree.entry(reaper).map(|entry| entry.process.clone()))
        .flatten();
    let mut mourners = Mourners {
        parent: None,
        signal: 0,
        uid: 0,
        reaper,
        hung_up,
        reaped: None,
    };
    let Some(entry) = tree.entry_mut(pid) else {
        return mourners;
    };
    entry.zombie = Some(zombie);
    (mourners.signal, mourners.uid) = (entry.exit_signal, entry.uid);
    let (parent, is_child) = (entry.parent, mourners.signal == Signal::CHLD.number());
    mourners.parent = tree.entry(parent).map(|entry| entry.process.clone());
    let ignored = is_child
        && mourners
            .parent
            .as_ref()
            .is_some_and(|parent| ignores_children(parent));
    if ignored {
        mourners.reaped = tree.remove(pid);
    }
    mourners.hung_up.retain(|&group| tree.is_orphaned(group));
    mourners
}

/// Children that asked for it learn of their parent's end (PR_SET_PDEATHSIG).
fn tell_bereaved(parent: u32) {
    let mut from = 0;
    let next = |tree: &mut table::Tree, from| {
        let child = tree.bereaved_child(parent, from)?;
        Some((child.process.clone(), child.parent_death_signal))
    };
    while let Some((child, signal)) = table::with(|tree| next(tree, from)) {
        let _ = Signal::new(signal.into())
            .and_then(|signal| send::send_to_process(&child, SigInfo::kernel(signal)));
        from = child.pid() + 1;
    }
}

/// POSIX: a parent that ignores `SIGCHLD`, or asked with `SA_NOCLDWAIT`, leaves no zombies.
fn ignores_children(parent: &Process) -> bool {
    let action = parent.state.lock().actions.get(Signal::CHLD);
    action.handler == IGNORE || action.flags().contains(ActionFlags::NOCLDWAIT)
}

/// The groups, of the process and its children, that have stopped members and could still be
/// continued by somebody: this end may be what orphans them.
fn groups_to_hang_up(tree: &Tree, pid: u32) -> Vec<u32> {
    let Some(entry) = tree.entry(pid) else {
        return Vec::new();
    };
    let children = entry.children.iter();
    let children = children.filter_map(|child| tree.entry(*child));
    let groups = children.map(|child| child.group).chain([entry.group]);
    let is_stopped = |member: &table::Entry| member.process.is_stopped();
    let has_stopped = |group: &u32| tree.group_members(*group).any(is_stopped);
    let mut groups: Vec<u32> = groups
        .filter(|group| has_stopped(group) && !tree.is_orphaned(*group))
        .collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// `SIGCHLD`'s details for a dead child.
pub(super) fn child_info(pid: u32, uid: u32, zombie: Zombie) -> SigInfo {
    let (code, status) = match zombie.status {
        ExitStatus::Exited(status) => (code::CHILD_EXITED, status),
        ExitStatus::Signaled { signal, core: true } => (code::CHILD_DUMPED, signal),
        ExitStatus::Signaled {
            signal,
            core: false,
        } => (code::CHILD_KILLED, signal),
    };
    let ticks = |ns: u64| ns / (1_000_000_000 / crate::time::TICKS_PER_SECOND);
    SigInfo::child(
        code,
        pid,
        uid,
        status.into(),
        ticks(zombie.times.user_ns),
        ticks(zombie.times.system_ns),
    )
}
