//! The priority-inheriting futexes that somebody waits for, in buckets under sleeping locks.
//!
//! Everything here is called with the futex's bucket held; the queue's own spin lock is there for
//! those who follow a chain of owners.

use super::super::queue::{Key, hash};
use crate::process::Task;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use smp::pi::{Changed, OwnedQueue, QueueGuard, Waiter};
use smp::{Mutex, MutexGuard, SpinLock, ThreadRef};

use crate::error::{Errno, Result};

const BUCKETS: usize = 64;

static TABLE: [Mutex<Bucket>; BUCKETS] = [const { Mutex::new(Bucket::new()) }; BUCKETS];

/// The futexes of one bucket, and the threads that wait to be requeued to one (`requeue.rs`).
pub struct Bucket {
    futexes: Vec<Arc<Futex>>,
    pub requeued: Vec<Arc<super::requeue::Requeued>>,
}

/// A futex with waiters, or one that its new owner must still write itself into.
pub struct Futex {
    key: Key,
    queue: OwnedQueue,
    owner_died: AtomicBool,
}

/// A task that waits for a futex.
pub struct Sleeping {
    pub task: Arc<Task>,
    waiter: Waiter,
    /// Where it waits or waited.
    futex: SpinLock<Option<Arc<Futex>>>,
}

fn index(key: &Key) -> usize {
    hash(key) % BUCKETS
}

pub fn lock(key: &Key) -> MutexGuard<'static, Bucket> {
    TABLE[index(key)].lock()
}

/// Two buckets, lower index first, so that two callers never wait for each other; the second is
/// `None` if both keys are of one.
pub fn lock_two(
    first: &Key,
    second: &Key,
) -> (
    MutexGuard<'static, Bucket>,
    Option<MutexGuard<'static, Bucket>>,
) {
    match (index(first), index(second)) {
        (a, b) if a < b => {
            let low = TABLE[a].lock();
            (low, Some(TABLE[b].lock()))
        }
        (a, b) if a > b => {
            let low = TABLE[b].lock();
            (TABLE[a].lock(), Some(low))
        }
        (a, _) => (TABLE[a].lock(), None),
    }
}

/// Calls `visit` with each bucket in turn.
pub fn for_each(mut visit: impl FnMut(&mut Bucket)) {
    TABLE.iter().for_each(|bucket| visit(&mut bucket.lock()));
}

impl Bucket {
    const fn new() -> Self {
        Self {
            futexes: Vec::new(),
            requeued: Vec::new(),
        }
    }

    pub fn find(&self, key: &Key) -> Option<Arc<Futex>> {
        self.futexes.iter().find(|futex| futex.key == *key).cloned()
    }

    pub fn add(&mut self, key: Key) -> Arc<Futex> {
        let futex = Arc::new(Futex {
            key,
            queue: OwnedQueue::of_users(),
            owner_died: AtomicBool::new(false),
        });
        self.futexes.push(futex.clone());
        futex
    }

    /// Those that `owner` owns.
    pub fn owned_by(&self, owner: &ThreadRef) -> Vec<Arc<Futex>> {
        let own = |futex: &&Arc<Futex>| futex.is_owned_by(owner);
        self.futexes.iter().filter(own).cloned().collect()
    }

    /// Takes a waiter out that gives up.
    pub fn withdraw(&mut self, futex: &Arc<Futex>, sleeping: &Sleeping) {
        let changed = futex.queue.lock().remove(&sleeping.waiter);
        changed.propagate();
        self.forget_if_idle(futex);
    }

    /// Makes `heir`, which the word names already, the owner and wakes it.
    pub fn hand_over_to(&mut self, futex: &Arc<Futex>, heir: &ThreadRef) {
        self.hand_over(futex, |queue| queue.hand_over_to(heir));
    }

    /// Makes the first waiter the heir of an owner that dies: it has to say so in the word.
    pub fn hand_over_from_dead(&mut self, futex: &Arc<Futex>) {
        futex.owner_died.store(true, Ordering::Release);
        self.hand_over(futex, |queue| queue.hand_over(true));
    }

    fn hand_over(
        &mut self,
        futex: &Arc<Futex>,
        grant: impl FnOnce(&mut QueueGuard<'_>) -> Option<(ThreadRef, [Changed; 2])>,
    ) {
        // Until all is said: a thread that is lowered, or wakes its better, would lose the CPU.
        let _stays = percpu::preempt::disable();
        let handed = grant(&mut futex.queue.lock());
        if let Some((thread, changed)) = handed {
            thread.unpark();
            changed.into_iter().for_each(Changed::propagate);
        }
        self.forget_if_idle(futex);
    }

    /// The new owner has said it.
    pub fn succeeded(&mut self, futex: &Arc<Futex>) {
        futex.owner_died.store(false, Ordering::Release);
        self.forget_if_idle(futex);
    }

    fn forget_if_idle(&mut self, futex: &Arc<Futex>) {
        if !futex.is_empty() || futex.owner_died() {
            return;
        }
        let returned = futex.queue.lock().set_owner(None);
        returned.into_iter().for_each(Changed::propagate);
        self.futexes.retain(|other| !Arc::ptr_eq(other, futex));
    }
}

impl Futex {
    pub fn is_empty(&self) -> bool {
        self.queue.lock().is_empty()
    }

    pub fn owner_died(&self) -> bool {
        self.owner_died.load(Ordering::Acquire)
    }

    pub fn is_owned_by(&self, thread: &ThreadRef) -> bool {
        self.queue.lock().owner() == Some(thread)
    }

    /// The owner, which must be the one that the word names (0: its owner has died).
    pub fn checked_owner(&self, named: u32) -> Result<ThreadRef> {
        let owner = self.queue.lock().owner().cloned();
        let owner = owner.ok_or(Errno::EINVAL)?;
        match named {
            0 => Ok(owner),
            _ if self.owner_died() || tid_of(&owner) == named => Ok(owner),
            _ => Err(Errno::EINVAL),
        }
    }

    /// The waiter whose turn is next. Not for long: the bucket keeps waiters in the queue, but
    /// what is lent to them, by one that waits for the bucket too, may change their order.
    pub fn first(&self) -> Option<ThreadRef> {
        self.queue
            .lock()
            .first()
            .map(|first| first.thread().clone())
    }

    pub fn insert(self: &Arc<Self>, sleeping: &Arc<Sleeping>, owner: ThreadRef) {
        *sleeping.futex.lock() = Some(self.clone());
        let mut queue = self.queue.lock();
        let owned = match queue.owner() {
            Some(_) => Changed::NOBODIES,
            None => queue.set_owner(Some(owner)),
        };
        // SAFETY: both are in `Arc`s which the sleeping thread keeps until it is granted the
        // futex or withdrawn.
        let changed = unsafe { queue.insert(&sleeping.waiter) };
        drop(queue);
        owned.into_iter().for_each(Changed::propagate);
        changed.propagate();
    }
}

pub fn tid_of(thread: &ThreadRef) -> u32 {
    thread.extension::<Task>().map_or(0, |task| task.tid())
}

impl Sleeping {
    pub fn new(task: Arc<Task>) -> Arc<Self> {
        let waiter = Waiter::new(task.thread().clone());
        Arc::new(Self {
            task,
            waiter,
            futex: SpinLock::new(None),
        })
    }

    pub fn is_granted(&self) -> bool {
        self.waiter.is_granted()
    }

    pub fn futex(&self) -> Option<Arc<Futex>> {
        self.futex.lock().clone()
    }
}
