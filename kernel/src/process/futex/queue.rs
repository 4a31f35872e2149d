//! Who waits on which futex: hash buckets of waiters, first come first served.
//!
//! A waiter is in at most one bucket. `bucket` says which and changes only while both the old and
//! the new bucket are locked; whoever takes the waiter out sets `woken` under the bucket's lock.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use smp::{SpinLock, ThreadRef};

/// What a futex is: a word of one address space, or of shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Address space (by identity) and address.
    Private(usize, usize),
    /// Physical address.
    Shared(u64),
}

/// A set of wakers a waiter listens to (FUTEX_WAIT_BITSET).
pub const ALL_BITS: u32 = u32::MAX;

const BUCKETS: usize = 256;

static TABLE: [SpinLock<Bucket>; BUCKETS] =
    [const { SpinLock::new(Bucket(VecDeque::new())) }; BUCKETS];

struct Bucket(VecDeque<Entry>);

struct Entry {
    key: Key,
    bits: u32,
    waiter: Arc<Waiter>,
}

/// A thread as one that waits; of its waits there is one at a time.
pub struct Waiter {
    thread: ThreadRef,
    bucket: AtomicUsize,
    woken: AtomicBool,
}

/// How taking a waiter back ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawn {
    /// It was still waiting.
    InTime,
    /// Somebody had woken it.
    TooLate,
}

/// Spread evenly in all low bits. A multiplication for each word: the keys are addresses, not
/// adversaries' strings. (The factor is 2^64 divided by the golden ratio, as Knuth has it.)
pub fn hash(key: &Key) -> usize {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (space, address) = match *key {
        Key::Private(space, address) => (space as u64, address as u64),
        Key::Shared(address) => (0, address),
    };
    let mixed = (space.wrapping_mul(FACTOR) ^ address).wrapping_mul(FACTOR);
    (mixed >> 32) as usize
}

fn bucket_of(key: &Key) -> usize {
    hash(key) % BUCKETS
}

impl Waiter {
    /// The calling thread's; it waits for nothing yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            thread: smp::current(),
            bucket: AtomicUsize::new(0),
            woken: AtomicBool::new(false),
        })
    }

    /// Puts the thread, which calls this, into the queue of `key`. It waits from here on: look at
    /// the futex word again afterwards.
    pub fn enqueue(self: &Arc<Self>, key: Key, bits: u32) {
        let index = bucket_of(&key);
        // Nobody else writes them while it is in no bucket. An `unpark` of the wait before may
        // still come: it ends no wait, as `woken` is looked at.
        self.bucket.store(index, Ordering::Relaxed);
        self.woken.store(false, Ordering::Relaxed);
        let waiter = self.clone();
        let entry = Entry { key, bits, waiter };
        TABLE[index].lock().0.push_back(entry);
        // Pairs with the fence of `wake`: either this thread's later look at the word sees the
        // waker's value, or the waker sees this entry.
        fence(Ordering::SeqCst);
    }

    pub fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }

    /// Ends the wait without a wake.
    pub fn withdraw(self: &Arc<Self>) -> Withdrawn {
        loop {
            let index = self.bucket.load(Ordering::Relaxed);
            let mut bucket = TABLE[index].lock();
            if self.is_woken() {
                return Withdrawn::TooLate;
            }
            // Not here: requeued between the load and the lock.
            let Some(position) = bucket
                .0
                .iter()
                .position(|entry| Arc::ptr_eq(&entry.waiter, self))
            else {
                continue;
            };
            let entry = bucket.0.remove(position);
            drop(bucket);
            drop(entry);
            return Withdrawn::InTime;
        }
    }
}

impl Bucket {
    /// Takes out and wakes up to `limit` waiters of `key` that listen to any of `bits`.
    fn wake(&mut self, key: Key, limit: usize, bits: u32) -> usize {
        let mut woken = 0;
        let mut index = 0;
        while woken < limit && index < self.0.len() {
            let entry = &self.0[index];
            if entry.key != key || entry.bits & bits == 0 {
                index += 1;
                continue;
            }
            // Mostly the first, which goes without moving the others.
            let taken = match index {
                0 => self.0.pop_front(),
                _ => self.0.remove(index),
            };
            if let Some(entry) = taken {
                entry.waiter.woken.store(true, Ordering::Release);
                entry.waiter.thread.call();
                woken += 1;
            }
        }
        woken
    }
}

/// Wakes up to `limit` waiters; returns how many.
pub fn wake(key: Key, limit: usize, bits: u32) -> usize {
    // Pairs with the fence of `enqueue`: the word was changed before this.
    fence(Ordering::SeqCst);
    TABLE[bucket_of(&key)].lock().wake(key, limit, bits)
}

/// Wakes up to `wake_limit` waiters of `from` and moves up to `move_limit` others to `to`; returns
/// how many were woken and moved.
pub fn requeue(from: Key, to: Key, wake_limit: usize, move_limit: usize) -> (usize, usize) {
    fence(Ordering::SeqCst);
    let (source, target) = (bucket_of(&from), bucket_of(&to));
    if source == target {
        let bucket = &mut *TABLE[source].lock();
        let woken = bucket.wake(from, wake_limit, ALL_BITS);
        let entries = bucket
            .0
            .iter_mut()
            .filter(|entry| entry.key == from)
            .take(move_limit);
        return (woken, entries.map(|entry| entry.key = to).count());
    }
    // Lower index first, so that two requeues never wait for each other.
    let mut low = TABLE[source.min(target)].lock();
    let mut high = TABLE[source.max(target)].lock();
    let (source, target_bucket) = if source < target {
        (&mut *low, &mut *high)
    } else {
        (&mut *high, &mut *low)
    };
    let woken = source.wake(from, wake_limit, ALL_BITS);
    let mut moved = 0;
    while moved < move_limit
        && let Some(position) = source.0.iter().position(|entry| entry.key == from)
        && let Some(entry) = source.0.remove(position)
    {
        entry.waiter.bucket.store(target, Ordering::Relaxed);
        target_bucket.0.push_back(Entry { key: to, ..entry });
        moved += 1;
    }
    (woken, moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: usize) -> Key {
        Key::Private(0x1000, address)
    }

    fn enqueued(key: Key, bits: u32) -> Arc<Waiter> {
        let waiter = Waiter::new();
        waiter.enqueue(key, bits);
        waiter
    }

    #[test]
    fn a_waiter_waits_again() {
        let waiter = enqueued(key(20), ALL_BITS);
        for _ in 0..3 {
            assert_eq!(wake(key(20), 1, ALL_BITS), 1);
            assert!(waiter.is_woken());
            waiter.enqueue(key(20), ALL_BITS);
            assert!(!waiter.is_woken());
        }
        assert_eq!(waiter.withdraw(), Withdrawn::InTime);
        assert_eq!(wake(key(20), 1, ALL_BITS), 0);
    }

    #[test]
    fn first_come_first_served_by_bits() {
        let first = enqueued(key(4), 0b01);
        let second = enqueued(key(4), 0b10);
        let other = enqueued(key(8), ALL_BITS);
        assert_eq!(wake(key(4), 1, 0b10), 1);
        assert!(second.is_woken() && !first.is_woken());
        assert_eq!(wake(key(4), 9, ALL_BITS), 1);
        assert!(first.is_woken() && !other.is_woken());
        assert_eq!(
            (first.withdraw(), other.withdraw()),
            (Withdrawn::TooLate, Withdrawn::InTime)
        );
        assert_eq!(wake(key(8), 9, ALL_BITS), 0);
    }

    #[test]
    fn requeued_waiters_are_found_where_they_went() {
        for target in 1000..1600 {
            let waiters = [(); 4].map(|()| enqueued(key(12), ALL_BITS));
            assert_eq!(requeue(key(12), key(target), 1, 2), (1, 2));
            assert!(waiters[0].is_woken());
            assert_eq!(waiters[1].withdraw(), Withdrawn::InTime);
            assert_eq!(wake(key(target), 9, ALL_BITS), 1);
            assert!(waiters[2].is_woken());
            assert_eq!(wake(key(12), 9, ALL_BITS), 1);
            assert!(waiters[3].is_woken());
        }
    }

    #[test]
    fn wakers_and_withdrawers_agree() {
        for _ in 0..200 {
            let waiter = enqueued(key(16), ALL_BITS);
            let waker = std::thread::spawn(|| wake(key(16), 1, ALL_BITS));
            let withdrawn = waiter.withdraw();
            let woken = waker.join().unwrap();
            assert_eq!(withdrawn == Withdrawn::TooLate, woken == 1);
        }
    }
}
