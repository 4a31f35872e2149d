//! Sending: what a signal does at once (continue, kill), queueing it, and whom to tell.
//!
//! Permission is the callers' business (kill(2)); here everything is allowed. Nothing sleeps.

use super::pending::Added;
use super::{Action, SigInfo, Signal, SignalSet};
use crate::error::{Errno, Result};
use crate::process::rlimits::Resource;
use crate::process::status::ExitStatus;
use crate::process::table;
use crate::process::task::{Attention, Task};
use crate::process::thread_group::{Change, Process, ProcessState, RunState};
use alloc::sync::Arc;

/// Readiness told to signalfd and pidfd watchers (`POLLIN`).
const READABLE: u32 = 0x001;

/// Sends to the process as a whole: any thread that does not block it may take it.
pub fn send_to_process(process: &Arc<Process>, info: SigInfo) -> Result<()> {
    send(process, None, info)
}

/// Sends to one thread.
pub fn send_to_thread(task: &Arc<Task>, info: SigInfo) -> Result<()> {
    send(task.process(), Some(task), info)
}

/// Sends to every member of a process group, also when there is no room in one of their queues;
/// an error only if nobody got it (`ESRCH` if there is nobody).
pub fn send_to_group(group: u32, info: SigInfo) -> Result<()> {
    let mut result = Err(Errno::ESRCH);
    for member in table::group(group) {
        result = result.or(send_to_process(&member, info));
    }
    result
}

/// A fault's signal: cannot be blocked or ignored away (force_sig in Linux).
pub fn force(task: &Arc<Task>, info: SigInfo) {
    let Ok(signal) = Signal::new(info.signo as usize) else {
        return;
    };
    let mut state = task.process().state.lock();
    let mut own = task.signals.lock();
    if own.blocked.contains(signal) || state.actions.get(signal).handler == super::IGNORE {
        own.blocked.remove(signal);
        state.actions.set(signal, Action::default());
    }
    own.pending.add(signal, info, u64::MAX);
    task.raise(Attention::SIGNAL);
}

fn send(process: &Arc<Process>, target: Option<&Arc<Task>>, info: SigInfo) -> Result<()> {
    let signal = Signal::new(info.signo as usize)?;
    let limit = process.rlimit(Resource::PendingSignals);
    let (result, continued) = {
        let mut state = process.state.lock();
        if state.is_exiting() {
            return Ok(());
        }
        let continued = act_at_once(process, &mut state, signal);
        (queue(&mut state, target, signal, info, limit), continued)
    };
    if continued {
        process.thread_events.wake_all();
        crate::process::job_control::report_continued(process);
    }
    match result {
        Added::Queued => {
            process.signal_events.wake_all();
            process.signal_observers.notify(READABLE);
            Ok(())
        }
        Added::Merged => Ok(()),
        Added::Full => Err(Errno::EAGAIN),
    }
}

/// What signals do when sent rather than when taken: stops and continues cancel each other, a
/// continue continues. Returns whether the process was continued.
fn act_at_once(process: &Process, state: &mut ProcessState, signal: Signal) -> bool {
    if SignalSet::STOPS.contains(signal) {
        discard_everywhere(state, SignalSet::only(Signal::CONT));
    }
    if signal != Signal::CONT {
        return false;
    }
    discard_everywhere(state, SignalSet::STOPS);
    resume(process, state)
}

fn resume(_process: &Process, state: &mut ProcessState) -> bool {
    if !matches!(state.run_state, RunState::Stopped(_)) {
        return false;
    }
    state.run_state = RunState::Running;
    state.unreported = Some(Change::Continued);
    for task in state.threads.iter() {
        task.lower(Attention::STOP);
        task.thread().unpark();
    }
    true
}

fn discard_everywhere(state: &mut ProcessState, set: SignalSet) {
    state.pending.discard(set);
    for task in state.threads.iter() {
        task.signals.lock().pending.discard(set);
    }
}

fn queue(
    state: &mut ProcessState,
    target: Option<&Arc<Task>>,
    signal: Signal,
    info: SigInfo,
    limit: u64,
) -> Added {
    if is_ignored(state, target, signal) {
        return Added::Merged;
    }
    if signal == Signal::KILL {
        begin_exit(
            state,
            ExitStatus::Signaled {
                signal: signal.number(),
                core: false,
            },
        );
        return Added::Queued;
    }
    let added = match target {
        Some(task) => task.signals.lock().pending.add(signal, info, limit),
        None => state.pending.add(signal, info, limit),
    };
    if added == Added::Queued {
        tell_one(state, target, signal);
    }
    added
}

/// Ignored signals are dropped unless blocked: the action may change before they are unblocked.
fn is_ignored(state: &ProcessState, target: Option<&Arc<Task>>, signal: Signal) -> bool {
    let Some(task) = target.or(state.threads.first()) else {
        return true;
    };
    if task.signals.lock().blocked.contains(signal) {
        return false;
    }
    state.actions.ignores(signal)
        || (task.process().pid() == table::INIT && is_default(state, signal))
}

/// init gets only the signals it has handlers for: nobody can kill it by accident.
fn is_default(state: &ProcessState, signal: Signal) -> bool {
    state.actions.get(signal).handler == super::DEFAULT
}

/// Picks a thread that does not block the signal and ends its wait.
fn tell_one(state: &ProcessState, target: Option<&Arc<Task>>, signal: Signal) {
    let wants = |task: &&Arc<Task>| !task.signals.lock().blocked.contains(signal);
    let chosen = match target {
        Some(task) => Some(task).filter(wants),
        None => state.threads.iter().find(wants),
    };
    if let Some(task) = chosen {
        task.notify(Attention::SIGNAL);
    }
}

/// Sends every thread of the process on its way out; the first reason counts.
pub(in crate::process) fn begin_exit(state: &mut ProcessState, status: ExitStatus) {
    if !state.is_exiting() {
        state.run_state = RunState::Exiting(status);
        state.notify_all(Attention::EXIT);
    }
}

/// Brings the task's `SIGNAL` attention in line with what is pending and blocked.
pub(in crate::process) fn recalculate(state: &ProcessState, task: &Task) {
    let own = task.signals.lock();
    let pending = state.pending.set().union(own.pending.set());
    if pending.without(own.blocked).is_empty() {
        task.lower(Attention::SIGNAL);
    } else {
        task.raise(Attention::SIGNAL);
    }
}

/// Signals sent to the process that `task` no longer takes (it blocked them, or exits) go to
/// other threads.
pub(in crate::process) fn retarget(state: &ProcessState, task: &Arc<Task>) {
    let pending = state.pending.set();
    if pending.is_empty() {
        return;
    }
    for other in state
        .threads
        .iter()
        .filter(|other| !Arc::ptr_eq(other, task))
    {
        let wanted = pending.without(other.signals.lock().blocked);
        if !wanted.is_empty() {
            other.notify(Attention::SIGNAL);
        }
    }
}
