//! Waits that a signal can end: a wait queue's condition that also looks at pending signals.
//!
//! The sender of a signal unparks the thread, so the condition is looked at again and sees it.

use crate::error::{Errno, Result};
use smp::{Unparked, WaitQueue};

/// Waits on `queue` until `condition` gives a value, a signal is pending ([`Errno::RESTART`]) or
/// `deadline_ns` (monotonic, nanoseconds) has passed ([`Errno::ETIMEDOUT`]).
#[inline]
pub fn interruptible<R>(
    queue: &WaitQueue,
    deadline_ns: Option<u64>,
    mut condition: impl FnMut() -> Option<R>,
) -> Result<R> {
    match condition() {
        Some(value) => Ok(value),
        None => sleep(queue, deadline_ns, condition),
    }
}

/// The same for who has looked at the condition already.
#[inline(never)]
fn sleep<R>(
    queue: &WaitQueue,
    deadline_ns: Option<u64>,
    mut condition: impl FnMut() -> Option<R>,
) -> Result<R> {
    let result = queue.sleep_until(deadline_ns, || match condition() {
        Some(value) => Some(Ok(value)),
        None if crate::process::signal_pending() => Some(Err(Errno::RESTART)),
        None => None,
    });
    if let Ok(Err(_)) = result {
        // This thread may have been the one that a `wake_one` chose.
        queue.wake_one();
    }
    result.unwrap_or(Err(Errno::ETIMEDOUT))
}

/// Sleeps until `deadline_ns` (monotonic), or [`Errno::RESTART`] when a signal comes first.
pub fn until(deadline_ns: u64) -> Result<()> {
    while smp::now_ns() < deadline_ns {
        if crate::process::signal_pending() {
            return Err(Errno::RESTART);
        }
        if smp::park(Some(deadline_ns)) == Unparked::TimedOut {
            break;
        }
    }
    Ok(())
}

/// Sleeps until a signal comes; returns how that is called.
pub fn until_interrupted() -> Errno {
    while !crate::process::signal_pending() {
        smp::park(None);
    }
    Errno::RESTART
}
