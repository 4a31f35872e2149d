//! Waits that a signal can end: a wait queue's condition that also looks at pending signals.
//!
//! The sender of a signal unparks the thread, so the condition is looked at again and sees it.

use crate::error::{Errno, Result};
use smp::WaitQueue;

/// Waits on `queue` until `condition` gives a value, a signal is pending ([`Errno::RESTART`]) or
/// `deadline_ns` (monotonic, nanoseconds) has passed ([`Errno::ETIMEDOUT`]).
pub fn interruptible<R>(
    queue: &WaitQueue,
    deadline_ns: Option<u64>,
    mut condition: impl FnMut() -> Option<R>,
) -> Result<R> {
    queue
        .wait_until(deadline_ns, || match condition() {
            Some(value) => Some(Ok(value)),
            None if crate::process::signal_pending() => Some(Err(Errno::RESTART)),
            None => None,
        })
        .unwrap_or(Err(Errno::ETIMEDOUT))
}
