//! All threads by number.
//!
//! A map under a lock serves people and the reaper; it owns one reference to each thread until it
//! is reaped. A lock-free table beside it turns the number in a claimed shelf token into the
//! thread: only the claimant of a READY thread looks there, so the entry cannot be stale.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::ptr;
// Entries are written before the first token of a thread is published and cleared after its last
// was claimed: the tokens' own Release and Acquire order them.
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::held::Held;
use crate::shelf::{TID_LIMIT, Token};
use crate::spec::{SpawnError, ThreadSpec};
use crate::sync::{Lock, irqs_off};
use crate::thread::{Thread, ThreadId, ThreadRef};

const CHUNK: usize = 1024;
type Chunk = [AtomicPtr<Thread>; CHUNK];

/// Numbers handed out when none is asked for start here: 1 is for whoever insists on it.
const FIRST_TID: u32 = 2;

/// Where numbers go round while most below are free, so that the table stays small: 256 KiB. Linux
/// has its `pid_max` for that.
const ROUND: u32 = 1 << 15;

pub(crate) struct Registry {
    threads: Lock<Threads>,
    table: Box<[AtomicPtr<Chunk>]>,
}

struct Threads {
    by_tid: BTreeMap<u32, ThreadRef>,
    next_tid: u32,
    next_generation: u32,
}

impl Threads {
    fn free_tid(&mut self) -> Option<u32> {
        let roomy = self.by_tid.len() < ROUND as usize / 2;
        let end = if roomy { ROUND } else { TID_LIMIT };
        for _ in FIRST_TID..end {
            let tid = self.next_tid;
            self.next_tid = if tid + 1 >= end { FIRST_TID } else { tid + 1 };
            if !self.by_tid.contains_key(&tid) {
                return Some(tid);
            }
        }
        None
    }
}

impl Registry {
    pub fn new() -> Self {
        let chunks = (0..TID_LIMIT as usize / CHUNK).map(|_| AtomicPtr::new(ptr::null_mut()));
        Self {
            threads: Lock::new(Threads {
                by_tid: BTreeMap::new(),
                next_tid: FIRST_TID,
                next_generation: 1,
            }),
            table: chunks.collect(),
        }
    }

    /// A new thread with a name of its own, entered in the table.
    pub fn create(&self, spec: ThreadSpec) -> Result<ThreadRef, SpawnError> {
        let id = self.reserve(spec.tid)?;
        let thread = ThreadRef::new(Thread::new(id, spec));
        let _irqs = irqs_off();
        let mut threads = self.threads.lock();
        if threads.by_tid.contains_key(&id.tid) {
            return Err(SpawnError::NoThreadId);
        }
        self.slot(id.tid)
            .store(Arc::as_ptr(&thread.0).cast_mut(), Ordering::Release);
        threads.by_tid.insert(id.tid, thread.clone());
        Ok(thread)
    }

    fn reserve(&self, tid: Option<u32>) -> Result<ThreadId, SpawnError> {
        let _irqs = irqs_off();
        let mut threads = self.threads.lock();
        let tid = match tid {
            Some(tid) => (tid != 0 && tid < TID_LIMIT).then_some(tid),
            None => threads.free_tid(),
        };
        let generation = threads.next_generation;
        threads.next_generation = generation.wrapping_add(1);
        let tid = tid.ok_or(SpawnError::NoThreadId)?;
        Ok(ThreadId { tid, generation })
    }

    /// The table entry for `tid`, its chunk allocated if need be. Registry lock held.
    fn slot(&self, tid: u32) -> &AtomicPtr<Thread> {
        let (chunk, index) = (tid as usize / CHUNK, tid as usize % CHUNK);
        let mut entries = self.table[chunk].load(Ordering::Acquire);
        if entries.is_null() {
            let fresh: Box<Chunk> = Box::new([const { AtomicPtr::new(ptr::null_mut()) }; CHUNK]);
            entries = Box::into_raw(fresh);
            self.table[chunk].store(entries, Ordering::Release);
        }
        // SAFETY: chunks are never freed while the registry lives.
        let entries = unsafe { &*entries };
        &entries[index]
    }

    /// The thread of a token the caller has just claimed.
    pub fn claimed(&self, token: Token) -> Held {
        let (chunk, index) = (token.tid() as usize / CHUNK, token.tid() as usize % CHUNK);
        let entries = self.table[chunk].load(Ordering::Acquire);
        // SAFETY: the token's thread exists, so its chunk does; chunks are never freed.
        let thread = unsafe { &*entries }[index].load(Ordering::Acquire);
        // SAFETY: the claim made the caller the thread's only holder, and a READY thread is
        // registered and alive.
        let held = unsafe { Held::assume(thread) };
        debug_assert!(token.names(held.id()), "a token outlived its thread");
        held
    }

    pub fn find(&self, tid: u32) -> Option<ThreadRef> {
        let _irqs = irqs_off();
        self.threads.lock().by_tid.get(&tid).cloned()
    }

    /// The first thread of number `tid` or above.
    pub fn from(&self, tid: u32) -> Option<ThreadRef> {
        let _irqs = irqs_off();
        let threads = self.threads.lock();
        threads
            .by_tid
            .range(tid..)
            .next()
            .map(|(_, thread)| thread.clone())
    }

    /// Calls `look` while the thread cannot be reaped; `None` if it was. IRQs are masked.
    pub fn while_registered<R>(&self, thread: &ThreadRef, look: impl FnOnce() -> R) -> Option<R> {
        let _irqs = irqs_off();
        let threads = self.threads.lock();
        let registered = threads.by_tid.get(&thread.tid()) == Some(thread);
        registered.then(look)
    }

    /// Takes a dead thread off the table; its number may be used again.
    pub fn remove(&self, thread: &Thread) -> Option<ThreadRef> {
        let _irqs = irqs_off();
        let mut threads = self.threads.lock();
        self.slot(thread.tid())
            .store(ptr::null_mut(), Ordering::Release);
        threads.by_tid.remove(&thread.tid())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        for chunk in &self.table {
            let entries = chunk.load(Ordering::Acquire);
            if !entries.is_null() {
                // SAFETY: from `Box::into_raw` in `slot`; nobody else is left.
                drop(unsafe { Box::from_raw(entries) });
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    #[cfg_attr(miri, ignore = "long, and in safe code")]
    fn numbers_go_round_before_the_table_is_large() {
        let registry = Registry::new();
        let mut threads = registry.threads.lock();
        let numbers: Vec<u32> = (0..100_000).filter_map(|_| threads.free_tid()).collect();
        assert_eq!(numbers.len(), 100_000);
        assert!(numbers.iter().all(|tid| (FIRST_TID..ROUND).contains(tid)));
        let soonest = numbers.iter().skip(1).position(|tid| *tid == numbers[0]);
        assert_eq!(soonest, Some((ROUND - FIRST_TID) as usize - 1));
    }
}
