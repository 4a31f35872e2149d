//! All threads by number.
//!
//! A table in chunks owns one reference to each thread until it is reaped. Who looks a number up
//! locks it, so that the thread stays; the number in a claimed shelf token is turned into the
//! thread without the lock: only the claimant of a READY thread looks there, so the entry cannot
//! be stale.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ptr;
// Entries are written before the first token of a thread is published and cleared after its last
// was claimed: the tokens' own Release and Acquire order them. All else is under the lock.
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering, Ordering::Relaxed};

use crate::held::Held;
use crate::shelf::{TID_LIMIT, Token};
use crate::spec::{SpawnError, ThreadSpec};
use crate::sync::{Lock, irqs_off};
use crate::thread::{Thread, ThreadId, ThreadRef};

const CHUNK: usize = 1024;

/// Numbers handed out when none is asked for start here: 1 is for whoever insists on it.
const FIRST_TID: u32 = 2;

/// Where numbers go round while most below are free, so that the table stays small: 256 KiB. Linux
/// has its `pid_max` for that.
const ROUND: u32 = 1 << 15;

pub(crate) struct Registry {
    numbers: Lock<Numbers>,
    table: Box<[AtomicPtr<Chunk>]>,
}

struct Numbers {
    used: usize,
    /// One past the highest that was ever used.
    end: u32,
    next_tid: u32,
    next_generation: u32,
}

struct Chunk {
    threads: [AtomicPtr<Thread>; CHUNK],
    /// Which of them are not null, a bit each.
    used: [AtomicU64; CHUNK / 64],
}

impl Chunk {
    fn new() -> Box<Self> {
        Box::new(Self {
            threads: [const { AtomicPtr::new(ptr::null_mut()) }; CHUNK],
            used: [const { AtomicU64::new(0) }; CHUNK / 64],
        })
    }

    fn put(&self, index: usize, thread: *mut Thread) {
        self.threads[index].store(thread, Ordering::Release);
        let word = &self.used[index / 64];
        word.store(word.load(Relaxed) | 1 << (index % 64), Relaxed);
    }

    /// What was there.
    fn take(&self, index: usize) -> *mut Thread {
        let word = &self.used[index / 64];
        word.store(word.load(Relaxed) & !(1 << (index % 64)), Relaxed);
        let thread = self.threads[index].load(Relaxed);
        self.threads[index].store(ptr::null_mut(), Ordering::Release);
        thread
    }

    /// The first index from `index` on that is used.
    fn next_used(&self, index: usize) -> Option<usize> {
        let mut wanted = u64::MAX << (index % 64);
        (index / 64..self.used.len()).find_map(|word| {
            let found = self.used[word].load(Relaxed) & wanted;
            wanted = u64::MAX;
            (found != 0).then(|| word * 64 + found.trailing_zeros() as usize)
        })
    }
}

impl Registry {
    pub fn new() -> Self {
        let chunks = (0..TID_LIMIT as usize / CHUNK).map(|_| AtomicPtr::new(ptr::null_mut()));
        Self {
            numbers: Lock::new(Numbers {
                used: 0,
                end: 0,
                next_tid: FIRST_TID,
                next_generation: 1,
            }),
            table: chunks.collect(),
        }
    }

    /// A new thread with a name of its own, entered in the table.
    pub fn create(&self, spec: ThreadSpec) -> Result<ThreadRef, SpawnError> {
        let id = self.reserve(spec.tid)?;
        let thread = ThreadRef::new(id, spec);
        let _irqs = irqs_off();
        let mut numbers = self.numbers.lock();
        if self.at(id.tid).is_some() {
            return Err(SpawnError::NoThreadId);
        }
        let reference = Arc::into_raw(thread.0.clone()).cast_mut();
        let (chunk, index) = place(id.tid);
        self.chunk_or_new(chunk).put(index, reference);
        numbers.used += 1;
        numbers.end = numbers.end.max(id.tid + 1);
        Ok(thread)
    }

    fn reserve(&self, tid: Option<u32>) -> Result<ThreadId, SpawnError> {
        let _irqs = irqs_off();
        let mut numbers = self.numbers.lock();
        let tid = match tid {
            Some(tid) => (tid != 0 && tid < TID_LIMIT).then_some(tid),
            None => self.free_tid(&mut numbers),
        };
        let generation = numbers.next_generation;
        numbers.next_generation = generation.wrapping_add(1);
        let tid = tid.ok_or(SpawnError::NoThreadId)?;
        Ok(ThreadId { tid, generation })
    }

    fn free_tid(&self, numbers: &mut Numbers) -> Option<u32> {
        let roomy = numbers.used < ROUND as usize / 2;
        let end = if roomy { ROUND } else { TID_LIMIT };
        for _ in FIRST_TID..end {
            let tid = numbers.next_tid;
            numbers.next_tid = if tid + 1 >= end { FIRST_TID } else { tid + 1 };
            if self.at(tid).is_none() {
                return Some(tid);
            }
        }
        None
    }

    fn chunk(&self, at: usize) -> Option<&Chunk> {
        let chunk = self.table.get(at)?.load(Ordering::Acquire);
        // SAFETY: null, or from `chunk_or_new`; chunks are never freed while the registry lives.
        unsafe { chunk.as_ref() }
    }

    /// The same, made if need be. Locked.
    fn chunk_or_new(&self, at: usize) -> &Chunk {
        self.chunk(at).unwrap_or_else(|| {
            let fresh = Box::into_raw(Chunk::new());
            self.table[at].store(fresh, Ordering::Release);
            // SAFETY: as in `chunk`.
            unsafe { &*fresh }
        })
    }

    /// The thread of number `tid`. Locked, and used no longer than that, as it stays so long.
    fn at(&self, tid: u32) -> Option<*const Thread> {
        let (chunk, index) = place(tid);
        let thread = self.chunk(chunk)?.threads[index].load(Relaxed);
        (!thread.is_null()).then_some(thread.cast_const())
    }

    /// A reference to it. Locked.
    fn share(&self, tid: u32) -> Option<ThreadRef> {
        // SAFETY: the table's own reference keeps it until `remove`, which takes the lock.
        self.at(tid)
            .map(|thread| unsafe { ThreadRef::share(thread) })
    }

    /// The thread of a token the caller has just claimed.
    pub fn claimed(&self, token: Token) -> Held {
        let (chunk, index) = place(token.tid());
        let chunk = self.chunk(chunk).expect("a token's thread exists");
        let thread = chunk.threads[index].load(Ordering::Acquire);
        // SAFETY: the claim made the caller the thread's only holder, and a READY thread is
        // registered and alive.
        let held = unsafe { Held::assume(thread) };
        debug_assert!(token.names(held.id()), "a token outlived its thread");
        held
    }

    pub fn find(&self, tid: u32) -> Option<ThreadRef> {
        let _irqs = irqs_off();
        let _numbers = self.numbers.lock();
        self.share(tid)
    }

    /// The first thread of number `tid` or above.
    pub fn from(&self, tid: u32) -> Option<ThreadRef> {
        let _irqs = irqs_off();
        let numbers = self.numbers.lock();
        let (first, index) = place(tid);
        let end = (numbers.end as usize).div_ceil(CHUNK);
        let used = |at: usize| {
            let index = if at == first { index } else { 0 };
            Some(at * CHUNK + self.chunk(at)?.next_used(index)?)
        };
        let tid = (first..end).find_map(used)?;
        self.share(tid as u32)
    }

    /// Calls `look` while the thread cannot be reaped; `None` if it was. IRQs are masked.
    pub fn while_registered<R>(&self, thread: &ThreadRef, look: impl FnOnce() -> R) -> Option<R> {
        let _irqs = irqs_off();
        let _numbers = self.numbers.lock();
        let registered = self.at(thread.tid()) == Some(Arc::as_ptr(&thread.0));
        registered.then(look)
    }

    /// Takes a dead thread off the table; its number may be used again.
    pub fn remove(&self, thread: &ThreadRef) -> Option<ThreadRef> {
        let _irqs = irqs_off();
        let mut numbers = self.numbers.lock();
        self.at(thread.tid())
            .filter(|&at| at == Arc::as_ptr(&thread.0))?;
        numbers.used -= 1;
        let (chunk, index) = place(thread.tid());
        let reference = self.chunk(chunk)?.take(index);
        // SAFETY: the table's own reference, from `create`.
        Some(unsafe { ThreadRef::from_raw(reference) })
    }
}

/// The chunk of a number and the index in it.
fn place(tid: u32) -> (usize, usize) {
    (tid as usize / CHUNK, tid as usize % CHUNK)
}

impl Drop for Registry {
    fn drop(&mut self) {
        for chunk in &self.table {
            let chunk = chunk.load(Ordering::Acquire);
            if chunk.is_null() {
                continue;
            }
            // SAFETY: from `Box::into_raw`; nobody else is left.
            let chunk = unsafe { Box::from_raw(chunk) };
            for thread in chunk.threads.iter().map(|thread| thread.load(Relaxed)) {
                if !thread.is_null() {
                    // SAFETY: the table's own reference, from `create`.
                    drop(unsafe { ThreadRef::from_raw(thread) });
                }
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
        let mut state = registry.numbers.lock();
        let numbers: Vec<u32> = (0..100_000)
            .filter_map(|_| registry.free_tid(&mut state))
            .collect();
        assert_eq!(numbers.len(), 100_000);
        assert!(numbers.iter().all(|tid| (FIRST_TID..ROUND).contains(tid)));
        let soonest = numbers.iter().skip(1).position(|tid| *tid == numbers[0]);
        assert_eq!(soonest, Some((ROUND - FIRST_TID) as usize - 1));
    }

    fn with_tid(registry: &Registry, tid: u32) -> ThreadRef {
        let spec = ThreadSpec::new("numbered", || {}).tid(tid);
        registry.create(spec).expect("the number is free")
    }

    #[test]
    fn threads_are_found_in_order_across_words_and_chunks() {
        let registry = Registry::new();
        let numbers = [1, 2, 63, 64, 1023, 1024, 5000, TID_LIMIT - 1];
        let threads: Vec<_> = numbers.map(|tid| with_tid(&registry, tid)).into();
        let walk = |mut from| {
            core::iter::from_fn(|| {
                let thread = registry.from(from)?;
                from = thread.tid() + 1;
                Some(thread.tid())
            })
            .collect::<Vec<_>>()
        };
        assert_eq!(walk(0), numbers);
        assert_eq!(walk(65), numbers[4..]);
        assert!(registry.remove(&threads[3]).is_some());
        assert_eq!(registry.find(64), None);
        assert_eq!(registry.while_registered(&threads[3], || ()), None);
        assert_eq!(walk(3)[..2], [63, 1023]);
    }

    #[test]
    fn a_number_names_one_thread_and_the_table_holds_one_reference() {
        let registry = Registry::new();
        let thread = with_tid(&registry, 7);
        let again = ThreadSpec::new("again", || {}).tid(7);
        assert_eq!(registry.create(again).err(), Some(SpawnError::NoThreadId));
        assert_eq!(Arc::strong_count(&thread.0), 2);
        assert!(registry.remove(&thread).is_some());
        assert!(registry.remove(&thread).is_none());
        let successor = with_tid(&registry, 7);
        assert!(
            registry.remove(&thread).is_none(),
            "that is another's number"
        );
        drop(registry);
        assert_eq!(Arc::strong_count(&thread.0), 1);
        assert_eq!(Arc::strong_count(&successor.0), 1);
    }
}
