//! A process's address space: areas of user memory, and page tables that fill in on demand.
//!
//! Locks, in order: `map` (sleeping; faults read it, everything that changes the map writes it),
//! then `edit` (spin; needed to change a table under the read lock only), then the context's.
//! A [`PageSource`] is called with none of them held.

mod access;
mod advise;
mod area;
mod areas;
mod asid;
mod brk;
mod context;
mod fault;
mod fork;
mod gather;
mod info;
mod map;
mod protect;
mod remap;
mod sorted;
mod source;
mod types;

use crate::OutOfMemory;
use crate::lock::{RwLock, SpinLock};
use crate::page_table::{ENTRIES, Entry};
use crate::page_table::{Table, free_subtree, store};
use alloc::sync::Arc;
use areas::Areas;
use context::Context;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[cfg(not(target_os = "none"))]
pub(crate) use asid::owes_flush;
pub use context::deactivate;
pub use source::{PageError, PageSource, SharedMemory, SourceIdentity};
pub use types::*;

/// One process's user memory, shared by its threads.
pub struct AddressSpace {
    context: Arc<Context>,
    map: RwLock<Map>,
    /// Held to change a last-level entry or link a table while `map` is only read-locked.
    edit: SpinLock<()>,
    /// Pages with a frame of their own or of a source; the shared zero page is none.
    resident: AtomicUsize,
    peak: AtomicUsize,
    limits: [AtomicUsize; 3],
}

/// What the map lock protects. Tables below the root are linked under `edit` or the write lock,
/// unlinked only under the write lock: a reader's walk stays valid.
struct Map {
    areas: Areas,
    /// Counts changes, so that a fault that let go of the lock knows whether to start over.
    generation: u64,
    /// The heap of brk(2): start, and the end the program asked for.
    brk: Range<usize>,
    lock_future: Locking,
}

impl AddressSpace {
    pub fn new() -> Result<Arc<Self>, OutOfMemory> {
        let map = Map {
            areas: Areas::new(),
            generation: 0,
            brk: 0..0,
            lock_future: Locking::Off,
        };
        Ok(Arc::new(Self {
            context: Context::new()?,
            map: RwLock::new(map),
            edit: SpinLock::new(()),
            resident: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            limits: [const { AtomicUsize::new(usize::MAX) }; 3],
        }))
    }

    /// Puts this space into TTBR0 of the calling CPU: by the switch to one of its threads and by
    /// execve. Cheap when it is there already.
    pub fn activate(&self) {
        self.context.activate();
    }

    /// The tables; walked under the map lock.
    #[inline]
    fn table(&self, _locked: &Map) -> Table<'_> {
        // SAFETY: the root lives as long as the space; what is below is unlinked only under the
        // write lock, which excludes the lender of `_locked`.
        unsafe { Table::at(self.context.root()) }
    }

    /// The root table, for host tests' walks.
    #[cfg(not(target_os = "none"))]
    pub(crate) fn root(&self) -> crate::PhysAddr {
        self.context.root()
    }

    #[inline]
    fn count_resident(&self, pages: usize) {
        let now = self.resident.fetch_add(pages, Relaxed) + pages;
        if now > self.peak.load(Relaxed) {
            self.peak.fetch_max(now, Relaxed);
        }
    }

    fn uncount_resident(&self, pages: usize) {
        self.resident.fetch_sub(pages, Relaxed);
    }

    pub fn limits(&self) -> Limits {
        let [address_space, data, stack] = self.limits.each_ref().map(|limit| limit.load(Relaxed));
        Limits {
            address_space,
            data,
            stack,
        }
    }

    pub fn set_limits(&self, limits: Limits) {
        let values = [limits.address_space, limits.data, limits.stack];
        self.limits
            .iter()
            .zip(values)
            .for_each(|(limit, value)| limit.store(value, Relaxed));
    }
}

impl Drop for AddressSpace {
    /// Frees all memory. No thread of the space runs any more, but a CPU may still have the root
    /// in TTBR0: everything below it is unlinked and flushed before it is freed.
    fn drop(&mut self) {
        // SAFETY: `&mut self`: nobody else is in the space.
        let root: Table<'_> = unsafe { Table::at(self.context.root()) };
        let mut from = 0;
        while from < ENTRIES {
            from = self.free_some(root, from);
        }
    }
}

impl AddressSpace {
    /// Unlinks up to a handful of the root's entries from `from` on, flushes, and frees what they
    /// led to. Returns where to go on.
    fn free_some(&self, root: Table<'_>, from: usize) -> usize {
        let mut unlinked = [Entry::EMPTY; 8];
        let (mut count, mut at) = (0, from);
        while at < ENTRIES && count < unlinked.len() {
            let entry = root.load(at);
            if !entry.is_empty() {
                store(root.slot(at), Entry::EMPTY);
                unlinked[count] = entry;
                count += 1;
            }
            at += 1;
        }
        // No other share of the context: no CPU has it in TTBR0, and its ASID is dead.
        if count > 0 && Arc::strong_count(&self.context) > 1 {
            self.context.flush_all();
        }
        for entry in &unlinked[..count] {
            // SAFETY: unlinked and flushed.
            unsafe { free_subtree(entry.address(), 1) };
        }
        at
    }
}

// The root's frame and everything in the map may be used from any thread; the spin and sleeping
// locks see to the rest.
const _: () = {
    const fn shareable<T: Send + Sync>() {}
    shareable::<AddressSpace>()
};
