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
use core::sync::atomic::{AtomicPtr, Ordering, Ordering::Relaxed};

use crate::held::Held;
use crate::numbers::Numbers;
use crate::shelf::{TID_LIMIT, Token};
use crate::spec::{SpawnError, ThreadSpec};
use crate::sync::{Lock, irqs_off};
use crate::thread::{Thread, ThreadId, ThreadRef};

const CHUNK: usize = 1024;
type Chunk = [AtomicPtr<Thread>; CHUNK];

pub(crate) struct Registry {
    state: Lock<State>,
    table: Box<[AtomicPtr<Chunk>]>,
}

struct State {
    numbers: Numbers,
    next_generation: u32,
}

impl Registry {
    pub fn new() -> Self {
        let chunks = (0..TID_LIMIT as usize / CHUNK).map(|_| AtomicPtr::new(ptr::null_mut()));
        Self {
            state: Lock::new(State {
                numbers: Numbers::new(),
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
        let numbers = &mut self.state.lock().numbers;
        if numbers.is_used(id.tid) {
            return Err(SpawnError::NoThreadId);
        }
        numbers.take(id.tid).map_err(|_| SpawnError::OutOfMemory)?;
        let reference = Arc::into_raw(thread.0.clone()).cast_mut();
        self.slot(id.tid).store(reference, Ordering::Release);
        Ok(thread)
    }

    fn reserve(&self, tid: Option<u32>) -> Result<ThreadId, SpawnError> {
        let _irqs = irqs_off();
        let mut state = self.state.lock();
        let tid = match tid {
            Some(tid) => (tid != 0 && tid < TID_LIMIT).then_some(tid),
            None => state.numbers.free(),
        };
        let generation = state.next_generation;
        state.next_generation = generation.wrapping_add(1);
        let tid = tid.ok_or(SpawnError::NoThreadId)?;
        Ok(ThreadId { tid, generation })
    }

    /// The table entry for `tid`, its chunk allocated if need be. Locked.
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

    /// A reference to the thread of a number in use.
    fn share(&self, _locked: &State, tid: u32) -> ThreadRef {
        let thread = self.slot(tid).load(Relaxed);
        // SAFETY: the table's own reference keeps it until `remove`, which takes the lock.
        unsafe { ThreadRef::share(thread) }
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
        let state = self.state.lock();
        let used = state.numbers.is_used(tid);
        used.then(|| self.share(&state, tid))
    }

    /// The first thread of number `tid` or above.
    pub fn from(&self, tid: u32) -> Option<ThreadRef> {
        let _irqs = irqs_off();
        let state = self.state.lock();
        let first = state.numbers.first_used(tid)?;
        Some(self.share(&state, first))
    }

    /// Calls `look` while the thread cannot be reaped; `None` if it was. IRQs are masked.
    pub fn while_registered<R>(&self, thread: &ThreadRef, look: impl FnOnce() -> R) -> Option<R> {
        let _irqs = irqs_off();
        let state = self.state.lock();
        self.has(&state, thread).then(look)
    }

    /// Whether it is in the table, and not another of its number.
    fn has(&self, state: &State, thread: &ThreadRef) -> bool {
        let tid = thread.tid();
        state.numbers.is_used(tid)
            && ptr::addr_eq(self.slot(tid).load(Relaxed), Arc::as_ptr(&thread.0))
    }

    /// Takes a dead thread off the table; its number may be used again.
    pub fn remove(&self, thread: &ThreadRef) -> Option<ThreadRef> {
        let _irqs = irqs_off();
        let mut state = self.state.lock();
        if !self.has(&state, thread) {
            return None;
        }
        let slot = self.slot(thread.tid());
        let reference = slot.load(Relaxed);
        slot.store(ptr::null_mut(), Ordering::Release);
        state.numbers.give(thread.tid());
        // SAFETY: the table's own reference, from `create`.
        Some(unsafe { ThreadRef::from_raw(reference) })
    }
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
            for thread in chunk.iter().map(|thread| thread.load(Relaxed)) {
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
