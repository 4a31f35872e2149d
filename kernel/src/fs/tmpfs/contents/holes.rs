//! Where a file has no pages: finding that, reserving, punching, zeroing.

use super::{Contents, MAX_SIZE, Seals, index_of};
use crate::error::{Errno, Result};
use crate::fs::node::Allocation;
use crate::fs::tmpfs::Shared;
use crate::fs::tmpfs::page::{self, Page};
use alloc::collections::BTreeMap;
use core::ops::Range;

impl Contents {
    pub fn allocate(
        &self,
        shared: &Shared,
        what: Allocation,
        offset: u64,
        length: u64,
    ) -> Result<()> {
        let end = offset
            .checked_add(length)
            .filter(|&end| end <= MAX_SIZE)
            .ok_or(Errno::EFBIG)?;
        let _writer = self.writer.lock();
        let old = self.size();
        if what != (Allocation::Reserve { keep_size: true }) && self.seals().contains(Seals::WRITE)
        {
            return Err(Errno::EPERM);
        }
        let keep_size = match what {
            Allocation::PunchHole => {
                self.drop_range(shared, offset, end);
                return Ok(());
            }
            Allocation::ZeroRange { keep_size } => {
                self.drop_range(shared, offset, end);
                keep_size
            }
            Allocation::Reserve { keep_size } => keep_size,
        };
        let new = if keep_size { old } else { old.max(end) };
        self.check_resize(old, new)?;
        let range = index_of(offset)..index_of(end - 1) + 1;
        // All or nothing: a reservation that cannot be kept must not fill the file system first.
        let present = self.pages.lock().by_index.range(range.clone()).count() as u64;
        if !shared.has_room(range.end - range.start - present) {
            return Err(Errno::ENOSPC);
        }
        for index in range {
            self.page_for_write(shared, index)?;
        }
        self.pages.lock().size = new;
        Ok(())
    }

    /// Gives back the pages in `start..end` and zeroes the parts of pages at its borders.
    pub(super) fn drop_range(&self, shared: &Shared, start: u64, end: u64) {
        let whole = start.div_ceil(page::SIZE as u64)..end / page::SIZE as u64;
        let mut pages = self.pages.lock();
        for edge in [start, end]
            .into_iter()
            .filter(|edge| edge % page::SIZE as u64 != 0)
        {
            let page_start = edge - edge % page::SIZE as u64;
            let from = start.max(page_start) - page_start;
            let to = end.min(page_start.saturating_add(page::SIZE as u64)) - page_start;
            if let Some(page) = pages.by_index.get(&index_of(edge)).filter(|_| from < to) {
                page.zero(from as usize..to as usize);
            }
        }
        let dropped = take_range(&mut pages.by_index, whole);
        drop(pages);
        shared.release_pages(dropped.len());
    }

    /// The offset of the next data (or hole) from `offset` on; `None` past the end (lseek(2)).
    pub fn seek_data(&self, offset: u64, hole: bool) -> Option<u64> {
        let pages = self.pages.lock();
        if offset >= pages.size {
            return None;
        }
        let found = if hole {
            first_hole(&pages.by_index, offset)
        } else {
            first_data(&pages.by_index, offset)
        };
        match found {
            Some(at) if at < pages.size => Some(at),
            _ => hole.then_some(pages.size),
        }
    }
}

/// The first offset from `offset` on that has a page.
fn first_data(pages: &BTreeMap<u64, Page>, offset: u64) -> Option<u64> {
    let (&index, _) = pages.range(index_of(offset)..).next()?;
    Some((index * page::SIZE as u64).max(offset))
}

/// The first offset from `offset` on that has none.
fn first_hole(pages: &BTreeMap<u64, Page>, offset: u64) -> Option<u64> {
    let mut hole = index_of(offset);
    while pages.contains_key(&hole) {
        hole += 1;
    }
    Some((hole * page::SIZE as u64).max(offset))
}

/// Takes the entries with keys in `range` out of `map`.
fn take_range(map: &mut BTreeMap<u64, Page>, range: Range<u64>) -> BTreeMap<u64, Page> {
    if range.is_empty() {
        return BTreeMap::new();
    }
    let mut taken = map.split_off(&range.start);
    map.append(&mut taken.split_off(&range.end));
    taken
}
