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
mod ask;
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
use crate::addr::USER_END;
use crate::lock::{RwLock, SpinLock};
use crate::page_table::Table;
use alloc::sync::Arc;
use areas::Areas;
use context::Context;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[cfg(not(target_os = "none"))]
pub(crate) use asid::owes_flush;
pub use context::{deactivate, leave_cpu};
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
    /// Frees all memory, area by area, each with the tables that no later area needs. No thread of
    /// the space runs any more. If a CPU still keeps the root in TTBR0, whatever is freed is
    /// flushed first; if none does, nothing can reach it.
    fn drop(&mut self) {
        self.context.vacate_here();
        self.context.retire();
        let map = self.map.write();
        let areas = map.areas.iter().map(|(start, area)| start..area.end);
        let followers = map.areas.iter().skip(1).map(|(start, _)| start);
        for (range, next) in areas.zip(followers.chain([USER_END])) {
            self.clear(&map, range, Some(0..next));
        }
    }
}

// The root's frame and everything in the map may be used from any thread; the spin and sleeping
// locks see to the rest.
const _: () = {
    const fn shareable<T: Send + Sync>() {}
    shareable::<AddressSpace>()
};
