//! Changing which signals a thread blocks (sigprocmask(2)), for good or for one call.

use super::SignalSet;
use super::send::{recalculate, retarget};
use crate::error::{Errno, Result};
use crate::process::task::{Attention, Task};
use alloc::sync::Arc;

/// Sets the mask of `task`, which is the current one or not yet running; returns the old one.
pub fn set_mask(task: &Arc<Task>, mask: SignalSet) -> SignalSet {
    let state = task.process().state.lock();
    let old = core::mem::replace(&mut task.signals.lock().blocked, mask.blockable());
    recalculate(&state, task);
    if !state
        .pending
        .set()
        .intersection(mask.without(old))
        .is_empty()
    {
        retarget(&state, task);
    }
    old
}

/// Runs a waiting call under another mask (ppoll, pselect, epoll_pwait, sigsuspend). If a signal
/// ended the wait its handler still runs under that mask; the old one comes back after it.
pub fn with_temporary_mask<R>(mask: SignalSet, call: impl FnOnce() -> Result<R>) -> Result<R> {
    let current = crate::process::current();
    let old = set_mask(current.task(), mask);
    current.signals.lock().saved = old;
    let result = call();
    match result {
        Err(error) if error == Errno::EINTR || error.is_restart() => {
            current.raise(Attention::RESTORE_MASK)
        }
        _ => drop(set_mask(current.task(), old)),
    }
    result
}

/// Puts the saved mask back if the mask is a temporary one.
pub fn restore(task: &Arc<Task>) {
    if task.attention().contains(Attention::RESTORE_MASK) {
        task.lower(Attention::RESTORE_MASK);
        let saved = task.signals.lock().saved;
        set_mask(task, saved);
    }
}
