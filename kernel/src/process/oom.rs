//! Out of memory: a user program's page cannot be had, so some program must go.
//!
//! The largest does, the youngest of equals; never init while there is another. Whoever faulted
//! waits until its memory is back and then tries again.

use super::signal::{Signal, send};
use super::status::ExitStatus;
use super::{Current, Process, table};
use alloc::sync::Arc;

/// Makes room by ending a process, perhaps the caller's; returns when it is worth trying again.
/// Allocates nothing.
pub fn make_room(current: &Current) {
    let victim = match choose() {
        Choice::Going(process) => process,
        Choice::Kill(process) => {
            kill(&process);
            process
        }
        Choice::OnlyInit => {
            kill(current.process());
            return;
        }
    };
    let gone = || (victim.memory().is_none() || current.is_dying()).then_some(());
    // No deadline, so it cannot time out.
    let _ = victim.vfork_done.wait_until(None, gone);
}

enum Choice {
    /// One is on its way out and has not given its memory back yet: enough for now.
    Going(Arc<Process>),
    Kill(Arc<Process>),
    OnlyInit,
}

fn choose() -> Choice {
    let mut largest: Option<(usize, u64, Arc<Process>)> = None;
    let going = table::find_process(|process| {
        let Some(memory) = process.memory() else {
            return false;
        };
        if process.state.lock().is_exiting() {
            return true;
        }
        let (pages, started_ns) = (memory.resident_pages(), process.started_ns());
        let larger = largest
            .as_ref()
            .is_none_or(|(most, latest, _)| (pages, started_ns) > (*most, *latest));
        if larger && process.pid() != table::INIT {
            largest = Some((pages, started_ns, process.clone()));
        }
        false
    });
    match (going, largest) {
        (Some(process), _) => Choice::Going(process),
        (None, Some((_, _, process))) => Choice::Kill(process),
        (None, None) => Choice::OnlyInit,
    }
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
