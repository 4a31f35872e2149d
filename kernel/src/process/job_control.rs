//! Stopping and continuing processes, and telling their parents (POSIX job control).

use super::session::Session;
use super::signal::{ActionFlags, SigInfo, Signal, info::code, send};
use super::task::Attention;
use super::thread_group::{Change, Process, RunState};
use super::{Current, current, table};
use crate::error::{Errno, Result};
use alloc::sync::Arc;

/// Stops the process by the default action of `signal`. Terminal stops do nothing to an orphaned
/// group: nobody could continue it.
pub fn stop(current: &Current, signal: Signal) {
    let process = current.process();
    if signal != Signal::STOP && table::is_orphaned_group(process.group_id()) {
        return;
    }
    {
        let mut state = process.state.lock();
        if state.run_state != RunState::Running || state.pending.set().contains(Signal::CONT) {
            return;
        }
        state.run_state = RunState::Stopped(signal.number());
        state.unreported = Some(Change::Stopped(signal.number()));
        state.notify_all(Attention::STOP);
    }
    report(process, code::CHILD_STOPPED, i32::from(signal.number()));
}

/// Waits until the process is continued or killed.
pub fn wait_while_stopped(current: &Current) {
    let process = current.process();
    let running = || {
        let state = process.state.lock();
        let stopped = matches!(state.run_state, RunState::Stopped(_));
        if !stopped {
            // Under the lock: the next stop raises it again.
            current.lower(Attention::STOP);
        }
        (!stopped).then_some(())
    };
    // No deadline, so it cannot time out.
    let _ = process.thread_events.wait_until(None, running);
}

/// Tells the parent that the process goes on.
pub(super) fn report_continued(process: &Arc<Process>) {
    report(
        process,
        code::CHILD_CONTINUED,
        i32::from(Signal::CONT.number()),
    );
}

fn report(process: &Arc<Process>, code: i32, status: i32) {
    let found = table::with(|tree| {
        let entry = tree.entry(process.pid())?;
        Some((tree.entry(entry.parent)?.process.clone(), entry.uid))
    });
    let Some((parent, uid)) = found else { return };
    let action = parent.state.lock().actions.get(Signal::CHLD);
    if !action.flags().contains(ActionFlags::NOCLDSTOP) {
        // A full queue merges with the SIGCHLD that is pending already.
        let _ = send::send_to_process(
            &parent,
            SigInfo::child(code, process.pid(), uid, status, 0, 0),
        );
    }
    parent.child_events.wake_all();
}

/// setpgid(2): moves process `pid` (0: the caller) to group `group` (0: its own pid).
pub fn set_group(pid: u32, group: u32) -> Result<()> {
    let caller = current().pid();
    let pid = if pid == 0 { caller } else { pid };
    let group = if group == 0 { pid } else { group };
    table::with(|tree| {
        let own_session = tree.entry(caller).ok_or(Errno::ESRCH)?.session.clone();
        let entry = tree
            .entry(pid)
            .filter(|entry| pid == caller || entry.parent == caller)
            .ok_or(Errno::ESRCH)?;
        if pid != caller && entry.has_execed {
            return Err(Errno::EACCES);
        }
        let foreign = !Arc::ptr_eq(&entry.session, &own_session);
        let is_leader = entry.session.id() == pid;
        let joins_foreign = group != pid && tree.group_session(group) != Some(own_session.id());
        if foreign || is_leader || joins_foreign {
            return Err(Errno::EPERM);
        }
        tree.move_to_group(pid, group, &own_session);
        Ok(())
    })
}

/// setsid(2): a new session and group led by the caller, without a controlling terminal.
pub fn new_session() -> Result<u32> {
    let pid = current().pid();
    let former = table::with(|tree| {
        let entry = tree.entry(pid).ok_or(Errno::ESRCH)?;
        if tree.group_session(pid).is_some() {
            return Err(Errno::EPERM); // the caller, or somebody, leads such a group already
        }
        let former = entry.session.clone();
        let session = Session::new(&entry.number.clone());
        tree.move_to_group(pid, pid, &session);
        Ok(former)
    })?;
    drop(former);
    Ok(pid)
}
