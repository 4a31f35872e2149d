//! Waiting for children (wait4(2), waitid(2)).

use super::signal::{SigInfo, Signal, info::code};
use super::status::{CONTINUED_WORD, stopped_word};
use super::table::{self, Entry, Tree, Zombie};
use super::task::Task;
use super::thread_group::{Change, CpuTimes, Process};
use super::{current, exit};
use crate::error::{Errno, Result};
use crate::wait::interruptible;
use alloc::sync::Arc;
use bitflags::bitflags;
use core::sync::atomic::Ordering;

bitflags! {
    /// Options of wait4(2) and waitid(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Options: u32 {
        const NOHANG = 1;
        /// Stopped children (`WUNTRACED`, `WSTOPPED`).
        const STOPPED = 2;
        const EXITED = 4;
        const CONTINUED = 8;
        /// Report, and leave it to be reported again.
        const NOWAIT = 0x0100_0000;
        const NOTHREAD = 0x2000_0000;
        /// All children, whatever signal their end sends.
        const ALL = 0x4000_0000;
        /// Only children whose end sends something else than `SIGCHLD`.
        const CLONE = 0x8000_0000;
    }
}

/// Which children to wait for.
#[derive(Clone)]
pub enum Which {
    Any,
    Pid(u32),
    Group(u32),
    /// By pidfd: never a recycled pid.
    Exactly(Arc<Process>),
}

/// What became of a child.
#[derive(Clone, Copy)]
pub struct Report {
    pub pid: u32,
    pub status_word: u32,
    pub info: SigInfo,
    pub times: CpuTimes,
}

/// Waits until a child has something to report; `None` with `NOHANG` when none has.
pub fn wait(which: &Which, options: Options) -> Result<Option<Report>> {
    let process = current().process().clone();
    let look = || match look(&process, which, options) {
        Ok(None) if options.contains(Options::NOHANG) => Some(Ok(None)),
        Ok(None) => None,
        found => Some(found),
    };
    interruptible(&process.child_events, None, look)?
}

/// A reaped child's remains, dropped outside the tree's lock.
type Remains = Option<(Entry, Option<Arc<Task>>)>;

fn look(parent: &Arc<Process>, which: &Which, options: Options) -> Result<Option<Report>> {
    let (report, _remains) = table::with(|tree| look_locked(tree, parent, which, options))?;
    Ok(report)
}

fn look_locked(
    tree: &mut Tree,
    parent: &Arc<Process>,
    which: &Which,
    options: Options,
) -> Result<(Option<Report>, Remains)> {
    let children = &tree.entry(parent.pid()).ok_or(Errno::ECHILD)?.children;
    let mut any = false;
    let mut dead = None;
    for child in children.iter().filter_map(|child| tree.entry(*child)) {
        if !matches(child, which, options) {
            continue;
        }
        any = true;
        match child.zombie {
            Some(zombie) if options.contains(Options::EXITED) => {
                dead = Some((child.process.clone(), child.uid, zombie));
                break;
            }
            Some(_) => {}
            None => {
                if let Some(report) = take_change(child, options) {
                    return Ok((Some(report), None));
                }
            }
        }
    }
    match dead {
        Some((child, uid, zombie)) => {
            let report = death_report(&child, uid, zombie);
            let remains = if options.contains(Options::NOWAIT) {
                None
            } else {
                reap(tree, parent, &child, zombie)
            };
            Ok((Some(report), remains))
        }
        None if any => Ok((None, None)),
        None => Err(Errno::ECHILD),
    }
}

fn matches(child: &Entry, which: &Which, options: Options) -> bool {
    let is_clone = child.exit_signal != Signal::CHLD.number();
    if !options.contains(Options::ALL) && is_clone != options.contains(Options::CLONE) {
        return false;
    }
    match which {
        Which::Any => true,
        Which::Pid(pid) => child.process.pid() == *pid,
        Which::Group(group) => child.group == *group,
        Which::Exactly(process) => Arc::ptr_eq(process, &child.process),
    }
}

fn take_change(child: &Entry, options: Options) -> Option<Report> {
    let mut state = child.process.state.lock();
    let (status_word, code, status) = match state.unreported? {
        Change::Stopped(signal) if options.contains(Options::STOPPED) => {
            (stopped_word(signal), code::CHILD_STOPPED, i32::from(signal))
        }
        Change::Continued if options.contains(Options::CONTINUED) => (
            CONTINUED_WORD,
            code::CHILD_CONTINUED,
            i32::from(Signal::CONT.number()),
        ),
        _ => return None,
    };
    if !options.contains(Options::NOWAIT) {
        state.unreported = None;
    }
    let pid = child.process.pid();
    let info = SigInfo::child(code, pid, child.uid, status, 0, 0);
    Some(Report {
        pid,
        status_word,
        info,
        times: CpuTimes::default(),
    })
}

fn death_report(child: &Process, uid: u32, zombie: Zombie) -> Report {
    let info = exit::child_info(child.pid(), uid, zombie);
    Report {
        pid: child.pid(),
        status_word: zombie.status.wait_word(),
        info,
        times: zombie.times,
    }
}

fn reap(tree: &mut Tree, parent: &Process, child: &Process, zombie: Zombie) -> Remains {
    let below = child.children_times();
    parent
        .past
        .children_user_ns
        .fetch_add(zombie.times.user_ns + below.user_ns, Ordering::Relaxed);
    parent
        .past
        .children_system_ns
        .fetch_add(zombie.times.system_ns + below.system_ns, Ordering::Relaxed);
    tree.remove(child.pid())
}
