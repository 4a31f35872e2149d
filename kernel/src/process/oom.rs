//! Out of memory: a user program's page cannot be had, so some program must go.
//!
//! The one with the highest score does, the youngest of equals; never init. The score is what a
//! process would give back, moved by what `/proc/<pid>/oom_score_adj` says (proc_pid_oom_score_adj(5)).
//! Whoever faulted waits until the memory is back and then tries again.

use super::signal::{Signal, send};
use super::status::ExitStatus;
use super::{Current, Process, table};
use crate::error::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicI16, Ordering};

/// The first to go, and never to go: `oom_score_adj` is in thousandths of the machine's memory.
const MOST_WANTED: i16 = 1000;
const NEVER: i16 = -1000;

/// How long a victim may take to give its memory back. One may be held up by a lock that whoever
/// waits for memory holds, as in a copy from a pipe: then another victim is chosen.
const PATIENCE_NS: u64 = 5_000_000_000;

/// What the choice knows of a process besides its memory.
#[derive(Default)]
pub struct Standing {
    adjustment: AtomicI16,
    /// How low it may be set without privilege.
    lowest: AtomicI16,
    /// It was chosen and did not go in time.
    passed_over: AtomicBool,
}

impl Standing {
    pub fn adjustment(&self) -> i16 {
        self.adjustment.load(Ordering::Relaxed)
    }

    /// `EACCES` for less than the privileged have allowed.
    pub fn adjust(&self, adjustment: i16, privileged: bool) -> Result<()> {
        if !(NEVER..=MOST_WANTED).contains(&adjustment) {
            return Err(Errno::EINVAL);
        }
        if privileged {
            self.lowest.store(adjustment, Ordering::Relaxed);
        } else if adjustment < self.lowest.load(Ordering::Relaxed) {
            return Err(Errno::EACCES);
        }
        self.adjustment.store(adjustment, Ordering::Relaxed);
        Ok(())
    }

    /// A child's.
    pub fn inherit(&self, parent: &Standing) {
        let copy = |to: &AtomicI16, from: &AtomicI16| {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        };
        copy(&self.adjustment, &parent.adjustment);
        copy(&self.lowest, &parent.lowest);
    }
}

/// Makes room by ending a process, perhaps the caller's; returns when it is worth trying again.
/// Allocates nothing.
pub fn make_room(current: &Current) {
    let victim = match choose() {
        Choice::Going(process) => process,
        Choice::Kill(process) => {
            kill(&process);
            process
        }
        Choice::Nobody => {
            kill(current.process());
            return;
        }
    };
    let gone = || (victim.memory_name() == 0 || current.process().is_exiting()).then_some(());
    let deadline = smp::now_ns() + PATIENCE_NS;
    if victim.vfork_done.wait_until(Some(deadline), gone).is_err() {
        victim.oom.passed_over.store(true, Ordering::Relaxed);
    }
}

/// 0 to 2,000, as `/proc/<pid>/oom_score` shows it: 667 for a process that holds nothing.
pub fn shown_score(process: &Process) -> i64 {
    let total = mm::frame::total();
    match score(process.held_pages(), process.oom.adjustment(), total) {
        Some(score) => (1000 + score * 1000 / total.max(1) as i64).max(0) * 2 / 3,
        None => 0,
    }
}

/// Pages that the end of a process is good for, as adjusted; `None` if it must stay.
fn score(held_pages: usize, adjustment: i16, total_pages: usize) -> Option<i64> {
    let thousandths = i64::from(adjustment) * total_pages as i64 / 1000;
    (adjustment != NEVER).then_some(held_pages as i64 + thousandths)
}

enum Choice {
    /// One is on its way out and has not given its memory back yet: enough for now.
    Going(Arc<Process>),
    Kill(Arc<Process>),
    Nobody,
}

fn choose() -> Choice {
    let mut worst: Option<(i64, u64, Arc<Process>)> = None;
    for process in table::processes() {
        if process.memory_name() == 0 || process.oom.passed_over.load(Ordering::Relaxed) {
            continue;
        }
        if process.state.lock().is_exiting() {
            return Choice::Going(process);
        }
        let held = process.held_pages();
        let Some(score) = score(held, process.oom.adjustment(), mm::frame::total()) else {
            continue;
        };
        let started_ns = process.started_ns();
        let worse = worst
            .as_ref()
            .is_none_or(|(most, latest, _)| (score, started_ns) > (*most, *latest));
        if worse && process.pid() != table::INIT {
            worst = Some((score, started_ns, process));
        }
    }
    worst.map_or(Choice::Nobody, |(_, _, process)| Choice::Kill(process))
}

fn kill(process: &Arc<Process>) {
    log::error!(
        "out of memory: {} [{}] is killed",
        process.name(),
        process.pid()
    );
    let status = ExitStatus::Signaled {
        signal: Signal::KILL.number(),
        core: false,
    };
    send::begin_exit(&mut process.state.lock(), status);
    process.thread_events.wake_all();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adjustment_is_in_thousandths_of_all_memory() {
        let big = score(500, 0, 10_000);
        assert!(big > score(400, 0, 10_000));
        assert!(big < score(400, 11, 10_000));
        assert!(score(10_000, -999, 10_000) < score(100, 0, 10_000));
        assert_eq!(score(10_000, NEVER, 10_000), None);
    }

    #[test]
    fn only_the_privileged_lower_it_for_good() {
        let (standing, child) = (Standing::default(), Standing::default());
        assert_eq!(standing.adjust(500, false), Ok(()));
        assert_eq!(standing.adjust(-1, false), Err(Errno::EACCES));
        assert_eq!(standing.adjust(1001, true), Err(Errno::EINVAL));
        assert_eq!(standing.adjust(-200, true), Ok(()));
        child.inherit(&standing);
        assert_eq!(child.adjustment(), -200);
        assert_eq!(child.adjust(300, false), Ok(()));
        assert_eq!(child.adjust(-200, false), Ok(()));
        assert_eq!(child.adjust(-201, false), Err(Errno::EACCES));
    }
}
