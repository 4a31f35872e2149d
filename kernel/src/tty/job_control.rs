//! Job control (POSIX "General Terminal Interface"): controlling terminals, the foreground group,
//! and what a background process may do with its terminal.

use super::discipline::TerminalSignal;
use super::terminal::Terminal;
use super::termios as t;
use crate::error::{Errno, Result};
use crate::process::signal::{self, SigInfo, Signal};
use crate::process::{self, Capabilities, ControllingTerminal, Session};
use alloc::sync::Arc;
use core::any::Any;

/// Whose a terminal is; guarded by the terminal's lock.
#[derive(Default)]
pub(super) struct JobControl {
    pub session: Option<Arc<Session>>,
    /// The group that may read and that the keyboard's signals go to.
    pub foreground: Option<u32>,
}

/// What a process wants to do with its controlling terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    /// Stops a background writer only with TOSTOP.
    Write,
    /// Settings and the foreground group: a background changer is always stopped.
    Change,
}

impl ControllingTerminal for Terminal {
    fn leader_exited(&self) {
        let jobs = core::mem::take(&mut self.state.lock().jobs);
        hang_up(jobs);
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

fn send(group: Option<u32>, signal: Signal) {
    if let Some(group) = group {
        // A group that has gone meanwhile has nobody to tell.
        let _ = signal::send_to_group(group, SigInfo::kernel(signal));
    }
}

/// Sends what a key asked for.
pub(super) fn signal_foreground(group: Option<u32>, key: TerminalSignal) {
    send(
        group,
        match key {
            TerminalSignal::Interrupt => Signal::INT,
            TerminalSignal::Quit => Signal::QUIT,
            TerminalSignal::Suspend => Signal::TSTP,
        },
    );
}

pub(super) fn window_changed(group: Option<u32>) {
    send(group, Signal::WINCH);
}

/// The terminal is no longer theirs: leader and foreground group get SIGHUP, then SIGCONT so that
/// stopped ones see it.
pub(super) fn hang_up(jobs: JobControl) {
    if let Some(session) = &jobs.session {
        session.set_terminal(None);
        if let Ok(leader) = process::process_by_pid(session.id()) {
            let _ = signal::send_to_process(&leader, SigInfo::kernel(Signal::HUP));
            let _ = signal::send_to_process(&leader, SigInfo::kernel(Signal::CONT));
        }
    }
    send(jobs.foreground, Signal::HUP);
    send(jobs.foreground, Signal::CONT);
}

/// Lets a foreground process (or one of another session) pass. A background one is stopped by
/// SIGTTIN or SIGTTOU and tries again, or gets `EIO` where that signal cannot stop it.
pub(super) fn check(terminal: &Terminal, access: Access) -> Result<()> {
    let current = process::current();
    let (foreground, session, tostop) = {
        let state = terminal.state.lock();
        let session = state.jobs.session.as_ref().map(|session| session.id());
        (
            state.jobs.foreground,
            session,
            state.settings.has_local(t::TOSTOP),
        )
    };
    if foreground.is_none() || (access == Access::Write && !tostop) {
        return Ok(());
    }
    let group = current.process().group_id();
    if session != Some(current.process().session_id()) || foreground == Some(group) {
        return Ok(());
    }
    let stop = if access == Access::Read {
        Signal::TTIN
    } else {
        Signal::TTOU
    };
    if current.signal_mask().contains(stop) || current.process().ignores(stop) {
        return if access == Access::Read {
            Err(Errno::EIO)
        } else {
            Ok(())
        };
    }
    if process::table::is_orphaned_group(group) {
        return Err(Errno::EIO);
    }
    signal::send_to_group(group, SigInfo::kernel(stop))?;
    Err(Errno::RESTART)
}

/// The terminal the calling process' session is controlled by.
pub(super) fn controlling() -> Option<Arc<Terminal>> {
    let session = process::current().process().session()?;
    session.terminal()?.as_any().downcast::<Terminal>().ok()
}

fn is_controlling(terminal: &Arc<Terminal>) -> bool {
    controlling().is_some_and(|own| Arc::ptr_eq(&own, terminal))
}

/// Opening a free terminal makes it a terminal-less session leader's own.
pub(super) fn adopt_on_open(terminal: &Arc<Terminal>) {
    // Not being a leader, or the terminal being taken, just means that nothing is adopted.
    let _ = adopt(terminal, false);
}

/// TIOCSCTTY. `EPERM` unless the caller leads a session without a terminal and the terminal is
/// free; a privileged caller may `steal` it.
pub(super) fn adopt(terminal: &Arc<Terminal>, steal: bool) -> Result<()> {
    let current = process::current();
    let process = current.process();
    let session = process.session().ok_or(Errno::EPERM)?;
    if is_controlling(terminal) {
        return Ok(());
    }
    if session.id() != process.pid() || session.terminal().is_some() {
        return Err(Errno::EPERM);
    }
    let group = process.group_id();
    let robbed = {
        let mut state = terminal.state.lock();
        if state.hung_up {
            return Err(Errno::EIO);
        }
        if state.jobs.session.is_some()
            && !(steal && current.credentials().has(Capabilities::SYS_ADMIN))
        {
            return Err(Errno::EPERM);
        }
        let jobs = JobControl {
            session: Some(session.clone()),
            foreground: Some(group),
        };
        core::mem::replace(&mut state.jobs, jobs)
    };
    if let Some(former) = robbed.session {
        former.set_terminal(None);
    }
    session.set_terminal(Some(terminal.clone()));
    Ok(())
}

/// TIOCNOTTY: gives up the controlling terminal; a leader's whole session loses it.
pub(super) fn give_up(terminal: &Arc<Terminal>) -> Result<()> {
    check_controlling(terminal)?;
    let process = process::current().process().clone();
    if process.session_id() == process.pid() {
        terminal.leader_exited();
    }
    Ok(())
}

/// TIOCGPGRP: 0 without a foreground group. A pty's master may ask for its slave.
pub(super) fn foreground(terminal: &Terminal) -> i32 {
    terminal.state.lock().jobs.foreground.unwrap_or(0) as i32
}

/// `ENOTTY` unless it is the caller's controlling terminal.
pub(super) fn check_controlling(terminal: &Arc<Terminal>) -> Result<()> {
    if is_controlling(terminal) {
        Ok(())
    } else {
        Err(Errno::ENOTTY)
    }
}

/// TIOCSPGRP: the group must be of the caller's session, and so must the terminal.
pub(super) fn set_foreground(terminal: &Arc<Terminal>, group: i32) -> Result<()> {
    check_controlling(terminal)?;
    check(terminal, Access::Change)?;
    let group = u32::try_from(group).map_err(|_| Errno::EINVAL)?;
    if process::table::session_of_group(group)? != process::current().process().session_id() {
        return Err(Errno::EPERM);
    }
    terminal.state.lock().jobs.foreground = Some(group);
    Ok(())
}

/// TIOCGSID.
pub(super) fn session(terminal: &Arc<Terminal>) -> Result<i32> {
    let state = terminal.state.lock();
    state
        .jobs
        .session
        .as_ref()
        .map(|session| session.id() as i32)
        .ok_or(Errno::ENOTTY)
}
