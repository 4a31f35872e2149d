//! Threads that have ended and wait for the reaper: who makes new ones faster than it frees the old
//! waits for it, or a storm of short threads would fill memory with the stacks of the dead.

use super::table;
use core::sync::atomic::{AtomicUsize, Ordering};
use smp::WaitQueue;

/// Stacks beside those of tasks: kernel threads, and the dead that nobody has to wait for.
const SPARE: usize = 512;

/// Stacks of threads, alive and dead.
static STACKS: AtomicUsize = AtomicUsize::new(0);
static FREED: WaitQueue = WaitQueue::new();

/// Goes with each kernel stack and counts it.
pub struct Counted(());

impl Counted {
    #[expect(clippy::new_without_default, reason = "each one counts")]
    pub fn new() -> Self {
        STACKS.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        STACKS.fetch_sub(1, Ordering::Relaxed);
        FREED.wake_all();
    }
}

/// Sleeps while there are more stacks than the machine has tasks for: the rest are the dead's, and
/// the reaper is on its way to them. Thread context.
pub fn wait_for_reaper() {
    FREED.wait(|| (STACKS.load(Ordering::Relaxed) < limit()).then_some(()));
}

fn limit() -> usize {
    table::max_tasks() + SPARE
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use std::thread;

    #[test]
    fn who_makes_threads_waits_until_one_is_freed() {
        let mut stacks: Vec<Counted> = (0..limit()).map(|_| Counted::new()).collect();
        let maker = thread::spawn(wait_for_reaper);
        while FREED.is_empty() {
            assert!(!maker.is_finished(), "it did not wait");
            thread::yield_now();
        }
        // Other tests may have stacks too.
        stacks.truncate(limit() / 2);
        maker.join().unwrap();
    }
}
