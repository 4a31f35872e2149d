//! One table: 512 entries in a frame, reached through the linear map.

use super::{ENTRIES, Entry, index};
use crate::OutOfMemory;
use crate::addr::{FrameNumber, PhysAddr};
use crate::{frame, phys_map};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

/// Whose addresses a table translates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Half {
    User,
    Kernel,
}

/// A table that is alive: its owner (address space, kernel table) keeps it so for `'a`.
#[derive(Clone, Copy)]
pub struct Table<'a> {
    entries: &'a [AtomicU64; ENTRIES],
}

impl<'a> Table<'a> {
    /// # Safety
    /// `address` is a table that is not freed during `'a`.
    #[inline]
    pub unsafe fn at(address: PhysAddr) -> Table<'a> {
        // SAFETY: a whole frame of RAM; entries are only ever accessed atomically.
        let entries = unsafe { &*phys_map::pointer(address).cast() };
        Table { entries }
    }

    /// A fresh empty table, not linked yet. Those of user programs leave the kernel its reserve.
    pub fn alloc(half: Half) -> Result<PhysAddr, OutOfMemory> {
        let frame = match half {
            Half::User => frame::alloc_user_zeroed()?,
            Half::Kernel => frame::alloc_zeroed()?,
        };
        Ok(frame.into_number().address())
    }

    #[inline]
    pub fn slot(self, index: usize) -> &'a AtomicU64 {
        &self.entries[index]
    }

    #[inline]
    pub fn load(self, index: usize) -> Entry {
        load(&self.entries[index])
    }

    /// The table that entry `index` points to.
    #[inline]
    pub fn next(self, index: usize) -> Option<Table<'a>> {
        let entry = self.load(index);
        // SAFETY: entries of a live table point to live tables; they are unlinked before they are
        // freed, which the owner does not do while it lends `'a`.
        entry
            .is_table()
            .then(|| unsafe { Table::at(entry.address()) })
    }

    /// As [`Self::next`], made if missing. The caller is the only one who links tables now.
    pub fn next_or_make(self, index: usize, half: Half) -> Result<Table<'a>, OutOfMemory> {
        if let Some(table) = self.next(index) {
            return Ok(table);
        }
        debug_assert!(
            self.load(index).is_empty(),
            "a block where a table should be"
        );
        let address = Self::alloc(half)?;
        store(&self.entries[index], Entry::table(address));
        // SAFETY: just made and linked.
        Ok(unsafe { Table::at(address) })
    }

    /// The last-level entry of `address`, if its tables exist.
    #[inline]
    pub fn find_page(self, address: usize) -> Option<&'a AtomicU64> {
        Some(self.find_last_table(address)?.slot(index(address, 3)))
    }

    /// The last-level table that translates `address`.
    #[inline]
    pub fn find_last_table(self, address: usize) -> Option<Table<'a>> {
        self.next(index(address, 0))?
            .next(index(address, 1))?
            .next(index(address, 2))
    }

    /// The last-level entry of a user `address`, with its tables made. One maker at a time.
    pub fn make_page(self, address: usize) -> Result<&'a AtomicU64, OutOfMemory> {
        Ok(self.make_last_table(address)?.slot(index(address, 3)))
    }

    /// The last-level table that translates a user `address`.
    pub fn make_last_table(self, address: usize) -> Result<Table<'a>, OutOfMemory> {
        self.next_or_make(index(address, 0), Half::User)?
            .next_or_make(index(address, 1), Half::User)?
            .next_or_make(index(address, 2), Half::User)
    }

    /// The first entry of `range` that is not empty. Tables are sparse, so empty ones are passed
    /// over in groups.
    #[inline]
    pub fn next_used(self, range: Range<usize>) -> Option<usize> {
        const GROUP: usize = 8;
        let mut at = range.start;
        while at < range.end {
            if at.is_multiple_of(GROUP) && at + GROUP <= range.end && self.group_is_empty(at) {
                at += GROUP;
            } else if self.entries[at].load(Ordering::Relaxed) != 0 {
                return Some(at);
            } else {
                at += 1;
            }
        }
        None
    }

    #[inline]
    fn group_is_empty(self, at: usize) -> bool {
        let word = |index: usize| self.entries[at + index].load(Ordering::Relaxed);
        word(0) | word(1) | word(2) | word(3) | word(4) | word(5) | word(6) | word(7) == 0
    }

    pub fn is_empty(self) -> bool {
        self.next_used(0..ENTRIES).is_none()
    }
}

#[inline]
pub fn load(slot: &AtomicU64) -> Entry {
    Entry(slot.load(Ordering::Acquire))
}

/// Release: whoever follows the entry (a table walker too) sees what it points to.
#[inline]
pub fn store(slot: &AtomicU64, entry: Entry) {
    slot.store(entry.0, Ordering::Release);
}

/// Drops the share that a page's entry held.
#[inline]
pub fn release_page(entry: Entry) {
    if entry.is_counted() {
        frame::unshare(entry.frame());
    }
}

#[inline]
pub fn free_table(frame: FrameNumber) {
    frame::unshare(frame);
}
