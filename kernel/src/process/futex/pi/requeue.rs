//! Waiting on one futex to be given another (FUTEX_WAIT_REQUEUE_PI, FUTEX_CMP_REQUEUE_PI): a
//! condition variable whose mutex inherits priorities. The signaller moves the waiters from the
//! condition's futex to the mutex's queue, without waking them in between.
//!
//! Such waiters are known to FUTEX_CMP_REQUEUE_PI alone, so that other wakes do not find them.

use super::table::{self, Bucket, Sleeping};
use super::{Entered, Key, enter, exchange, key, load, wait};
use crate::error::{Errno, Result};
use crate::process::futex::FUTEX_WAITERS;
use crate::process::{current, signal_pending};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use smp::Unparked;

/// A task that waits on `from` to be given `to`.
pub struct Requeued {
    from: Key,
    to: Key,
    sleeping: Arc<Sleeping>,
    /// The futex was taken for it on the spot.
    acquired: AtomicBool,
    /// It is at home in the other queue, or woken: nothing here any more.
    moved: AtomicBool,
}

/// FUTEX_WAIT_REQUEUE_PI: sleeps while the word at `from` is `expected`, then for the futex at
/// `to`, which is the caller's on success. `deadline_ns` is monotonic.
pub fn wait_requeue(
    from: usize,
    expected: u32,
    to: usize,
    shared: bool,
    deadline_ns: Option<u64>,
) -> Result<usize> {
    let (from_key, to_key) = (key(from, shared)?, key(to, shared)?);
    if from_key == to_key {
        return Err(Errno::EINVAL);
    }
    let requeued = Arc::new(Requeued {
        from: from_key,
        to: to_key,
        sleeping: Sleeping::new(current().task().clone()),
        acquired: AtomicBool::new(false),
        moved: AtomicBool::new(false),
    });
    {
        let mut bucket = table::lock(&from_key);
        if load(from)? != expected {
            return Err(Errno::EAGAIN);
        }
        bucket.requeued.push(requeued.clone());
    }
    if let Some(error) = sleep_until_moved(&requeued, deadline_ns)
        && withdraw(&requeued)
    {
        return Err(error);
    }
    if requeued.acquired.load(Ordering::Acquire) {
        return Ok(0);
    }
    match wait(&requeued.sleeping, to_key, to, deadline_ns) {
        // It cannot begin anew: the condition was signalled.
        Err(Errno::RESTART_ALWAYS) => Err(Errno::EAGAIN),
        other => other,
    }
}

/// Why the wait ends before it was moved, if so.
fn sleep_until_moved(requeued: &Requeued, deadline_ns: Option<u64>) -> Option<Errno> {
    while !requeued.moved.load(Ordering::Acquire) {
        if signal_pending() {
            return Some(Errno::RESTART_ALWAYS);
        }
        if smp::park(deadline_ns) == Unparked::TimedOut {
            return Some(Errno::ETIMEDOUT);
        }
        // A move does not wake; being granted the futex does.
        if requeued.sleeping.is_granted() {
            return None;
        }
    }
    None
}

/// Takes the wait back; false if it was moved meanwhile.
fn withdraw(requeued: &Arc<Requeued>) -> bool {
    let mut bucket = table::lock(&requeued.from);
    let before = bucket.requeued.len();
    bucket
        .requeued
        .retain(|other| !Arc::ptr_eq(other, requeued));
    bucket.requeued.len() < before
}

/// FUTEX_CMP_REQUEUE_PI: gives the futex at `to` to the first that waits at `from`, or lets it wait
/// there, and so up to `limit` more. Returns how many.
pub fn cmp_requeue(
    from: usize,
    to: usize,
    shared: bool,
    limit: usize,
    expected: u32,
) -> Result<usize> {
    let (from_key, to_key) = (key(from, shared)?, key(to, shared)?);
    if from_key == to_key {
        return Err(Errno::EINVAL);
    }
    let (mut source, mut target) = table::lock_two(&from_key, &to_key);
    if load(from)? != expected {
        return Err(Errno::EAGAIN);
    }
    let waiting = |requeued: &&Arc<Requeued>| requeued.from == from_key;
    let chosen: Vec<_> = source.requeued.iter().filter(waiting).cloned().collect();
    let chosen = &chosen[..chosen.len().min(limit.saturating_add(1))];
    if chosen.iter().any(|requeued| requeued.to != to_key) {
        return Err(Errno::EINVAL);
    }
    for (done, requeued) in chosen.iter().enumerate() {
        let more = done + 1 < chosen.len();
        let bucket: &mut Bucket = target.as_mut().unwrap_or(&mut source);
        if let Err(error) = move_one(bucket, to_key, to, requeued, more) {
            return if done == 0 { Err(error) } else { Ok(done) };
        }
        source
            .requeued
            .retain(|other| !Arc::ptr_eq(other, requeued));
    }
    Ok(chosen.len())
}

fn move_one(
    bucket: &mut Bucket,
    key: Key,
    to: usize,
    requeued: &Arc<Requeued>,
    more: bool,
) -> Result<()> {
    match enter(bucket, key, to, &requeued.sleeping, true)? {
        Entered::Waits => requeued.moved.store(true, Ordering::Release),
        Entered::Acquired => {
            let word = load(to)?;
            if more {
                // Those that follow will wait for it.
                let _ = exchange(to, word, word | FUTEX_WAITERS)?;
            }
            requeued.acquired.store(true, Ordering::Release);
            requeued.moved.store(true, Ordering::Release);
            requeued.sleeping.task.thread().unpark();
        }
    }
    Ok(())
}
