//! Priority-inheriting futexes (futex(2): FUTEX_LOCK_PI and its kin).
//!
//! The word holds its owner's tid, plus WAITERS once somebody sleeps; both sides then come here.
//! What sleeps on a futex stands in an [`OwnedQueue`](smp::pi::OwnedQueue), so its urgency is lent
//! to the owner, along chains, through kernel mutexes and futexes alike. A futex is known here
//! ([`table`]) while somebody waits for it.
//!
//! Whoever looks at a word and acts on it holds the futex's bucket, a sleeping lock: reading and
//! writing user memory may fault pages in. With the bucket held, WAITERS set and a known owner,
//! the word changes only through here.

mod exit;
mod requeue;
mod table;

pub use exit::release_all;
pub use requeue::{cmp_requeue, wait_requeue};

use super::{FUTEX_WAITERS, Key, key, load};
use crate::arch::usercopy;
use crate::error::{Errno, Result};
use crate::process::{Task, current, signal_pending, task_by_tid};
use alloc::sync::Arc;
use core::sync::atomic::{Ordering, fence};
use smp::{ThreadRef, Unparked};
use table::{Bucket, Futex, Sleeping, tid_of};

pub(super) const OWNER_DIED: u32 = 0x4000_0000;
pub(super) const TID_MASK: u32 = 0x3fff_ffff;

/// How entering the queue of a futex ended.
enum Entered {
    /// The futex is the thread's.
    Acquired,
    /// It sleeps until granted.
    Waits,
}

/// FUTEX_LOCK_PI, FUTEX_LOCK_PI2. `deadline_ns` is monotonic.
pub fn lock(address: usize, shared: bool, deadline_ns: Option<u64>) -> Result<usize> {
    let key = key(address, shared)?;
    let sleeping = Sleeping::new(current().task().clone());
    let entered = {
        let mut bucket = table::lock(&key);
        enter(&mut bucket, key, address, &sleeping, true)?
    };
    match entered {
        Entered::Acquired => Ok(0),
        Entered::Waits => wait(&sleeping, key, address, deadline_ns),
    }
}

/// FUTEX_TRYLOCK_PI.
pub fn try_lock(address: usize, shared: bool) -> Result<usize> {
    let key = key(address, shared)?;
    let sleeping = Sleeping::new(current().task().clone());
    let mut bucket = table::lock(&key);
    enter(&mut bucket, key, address, &sleeping, false).map(|_| 0)
}

/// FUTEX_UNLOCK_PI.
pub fn unlock(address: usize, shared: bool) -> Result<usize> {
    let (key, current) = (key(address, shared)?, current());
    let mut bucket = table::lock(&key);
    loop {
        let word = load(address)?;
        if word & TID_MASK != current.tid() {
            return Err(Errno::EPERM);
        }
        let futex = bucket.find(&key);
        if let Some(futex) = &futex
            && !futex.is_owned_by(current.thread())
        {
            return Err(Errno::EINVAL);
        }
        let heir = futex.as_ref().and_then(|futex| futex.first());
        let next = heir.as_ref().map_or(0, |heir| tid_of(heir) | FUTEX_WAITERS);
        if exchange(address, word, next)? {
            if let (Some(futex), Some(heir)) = (futex, heir) {
                bucket.hand_over_to(&futex, &heir);
            }
            return Ok(0);
        }
    }
}

/// Takes the futex for `sleeping`'s task, or queues it if it `may_wait`. It is the caller's own
/// task, or one that waits in `wait_requeue`.
fn enter(
    bucket: &mut Bucket,
    key: Key,
    address: usize,
    sleeping: &Arc<Sleeping>,
    may_wait: bool,
) -> Result<Entered> {
    let tid = sleeping.task.tid();
    loop {
        let word = load(address)?;
        let owner = word & TID_MASK;
        if owner == tid {
            return Err(Errno::EDEADLK);
        }
        let known = bucket.find(&key);
        if owner == 0 && known.is_none() {
            if exchange(address, word, tid | word & OWNER_DIED)? {
                return Ok(Entered::Acquired);
            }
            continue;
        }
        if !may_wait {
            return Err(Errno::EAGAIN);
        }
        let owner = match &known {
            Some(futex) => futex.checked_owner(owner)?,
            None => match owner_task(owner) {
                Ok(task) => task.thread().clone(),
                Err(_) if load(address)? != word => continue,
                Err(error) => return Err(error),
            },
        };
        if !exchange(address, word, word | FUTEX_WAITERS)? {
            continue;
        }
        let futex = known.unwrap_or_else(|| bucket.add(key));
        return match queue_up(bucket, &futex, sleeping, owner) {
            Err(Errno::ESRCH) if load(address)? & TID_MASK != word & TID_MASK => continue,
            other => other.map(|()| Entered::Waits),
        };
    }
}

/// The owner that a word names.
fn owner_task(tid: u32) -> Result<Arc<Task>> {
    task_by_tid(tid).map_err(|_| match smp::find_thread(tid) {
        Some(_) => Errno::EPERM, // a kernel thread: user memory cannot be right about it
        None => Errno::ESRCH,
    })
}

fn queue_up(
    bucket: &mut Bucket,
    futex: &Arc<Futex>,
    sleeping: &Arc<Sleeping>,
    owner: ThreadRef,
) -> Result<()> {
    futex.insert(sleeping, owner.clone());
    // Pairs with the fence of `release_all`: either the owner, leaving, finds that it holds
    // somebody up, or this sees that it has looked already.
    fence(Ordering::SeqCst);
    let refused = if has_let_go(&owner) {
        Some(Errno::ESRCH)
    } else if smp::pi::leads_back(&owner, sleeping.task.thread()) {
        Some(Errno::EDEADLK)
    } else {
        None
    };
    match refused {
        Some(error) => {
            bucket.withdraw(futex, sleeping);
            Err(error)
        }
        None => Ok(()),
    }
}

fn has_let_go(owner: &ThreadRef) -> bool {
    let task = owner.extension::<Task>();
    task.is_none_or(|task| task.futexes_released.load(Ordering::Relaxed))
}

/// Sleeps until the futex is granted, `deadline_ns` has passed or a signal comes.
fn wait(
    sleeping: &Arc<Sleeping>,
    key: Key,
    address: usize,
    deadline_ns: Option<u64>,
) -> Result<usize> {
    let ended = loop {
        if sleeping.is_granted() {
            break None;
        }
        if signal_pending() {
            break Some(Errno::RESTART_ALWAYS);
        }
        if smp::park(deadline_ns) == Unparked::TimedOut {
            break Some(Errno::ETIMEDOUT);
        }
    };
    let Some(futex) = sleeping.futex() else {
        return Ok(0);
    };
    if ended.is_none() && !futex.owner_died() {
        return Ok(0);
    }
    let mut bucket = table::lock(&key);
    if !sleeping.is_granted() {
        bucket.withdraw(&futex, sleeping);
        return Err(ended.unwrap_or(Errno::EAGAIN));
    }
    if futex.owner_died() {
        take_after_death(&mut bucket, &futex, address, sleeping.task.tid())?;
    }
    Ok(0)
}

/// The owner died and could not write its successor into the word: the successor does.
fn take_after_death(
    bucket: &mut Bucket,
    futex: &Arc<Futex>,
    address: usize,
    tid: u32,
) -> Result<()> {
    let written = loop {
        let more = if futex.is_empty() { 0 } else { FUTEX_WAITERS };
        match load(address).and_then(|word| exchange(address, word, tid | OWNER_DIED | more)) {
            Ok(false) => continue,
            other => break other.map(|_| ()),
        }
    };
    bucket.succeeded(futex);
    written
}

/// Changes the word from `old` to `new`; false if it was something else.
fn exchange(address: usize, old: u32, new: u32) -> Result<bool> {
    // SAFETY: `key` refused unaligned addresses and those past the end of user space.
    let found = unsafe { usercopy::compare_exchange_u32(address, old, new) };
    found.map(|found| found == old).map_err(|_| Errno::EFAULT)
}
