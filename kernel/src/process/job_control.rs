//! Stopping and continuing processes, and telling their parents (POSIX job control).

use super::signal::{ActionFlags, SigInfo, Signal, info::code, send};
use super::task::Attention;
use super::thread_group::{Change, Process, RunState};
use super::{Current, table};
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
    let running = || (!matches!(process.state.lock().run_state, RunState::Stopped(_))).then_some(());
    // No deadline, so it cannot time out.
    let _ = process.thread_events.wait_until(None, running);
    current.lower(Attention::STOP);
}

/// Tells the parent that the process goes on.
pub(super) fn report_continued(process: &Arc<Process>) {
    report(process, code::CHILD_CONTINUED, i32::from(Signal::CONT.number()));
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
        let _ = send::send_to_process(&parent, SigInfo::child(code, process.pid(), uid, status, 0, 0));
    }
    parent.child_events.wake_all();
}
