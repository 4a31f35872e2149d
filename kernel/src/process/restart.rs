//! Calls that go on after a stop or an ignored signal from where they were (restart_syscall(2)).

use crate::error::{Errno, Result};
use alloc::boxed::Box;

/// How to go on with an interrupted call, with its deadline kept.
pub type Restart = Box<dyn FnOnce() -> Result<usize> + Send>;

/// Ends an interrupted call so that `again` runs if no handler does; the caller returns the error.
pub fn restart_with(again: impl FnOnce() -> Result<usize> + Send + 'static) -> Errno {
    *super::current().restart.lock() = Some(Box::new(again));
    Errno::RESTART_BLOCK
}
