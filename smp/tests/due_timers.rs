//! Timers that are due together, in a process of their own: here no other timer is armed.
#![cfg(not(any(loom, shuttle)))]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use smp::timers::{Timer, run_expired};

/// So late that the host's own clock does not come there.
const FAR_NS: u64 = u64::MAX / 2;

#[test]
fn many_that_are_due_at_once_run_a_few_at_a_time() {
    const TIMERS: usize = 100;
    let fired = Arc::new(AtomicUsize::new(0));
    let timers: Vec<_> = (0..TIMERS)
        .map(|_| {
            let fired = fired.clone();
            let timer = Timer::new(move || {
                fired.fetch_add(1, Relaxed);
            });
            timer.arm(FAR_NS);
            timer
        })
        .collect();
    assert_eq!(run_expired(FAR_NS - 1), Some(FAR_NS));
    assert_eq!(fired.load(Relaxed), 0);
    let mut rounds = 1;
    while run_expired(FAR_NS) == Some(FAR_NS) {
        rounds += 1;
    }
    assert_eq!((fired.load(Relaxed), rounds), (TIMERS, TIMERS.div_ceil(16)));
    assert!(timers.iter().all(|timer| !timer.is_armed()));
}
