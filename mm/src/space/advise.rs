//! madvise(2), mlock(2), msync(2), mincore(2).

use super::area::Area;
use super::types::{Access, Advice, Backing, Locking, MapFlags, SpaceError};
use super::{AddressSpace, Fault};
use crate::addr::{PAGE_SHIFT, PAGE_SIZE, user_pages};
use crate::page_table::load;
use alloc::vec::Vec;
use core::ops::Range;

impl AddressSpace {
    /// madvise(2) that changes something. Holes: what is mapped is treated, then
    /// [`SpaceError::NoMemory`].
    pub fn advise(&self, start: usize, length: usize, advice: Advice) -> Result<(), SpaceError> {
        let range = user_pages(start, length).ok_or(SpaceError::Invalid)?;
        match advice {
            Advice::Discard => self.discard(range.clone())?,
            Advice::Free => {
                self.check_private_anonymous(range.clone())?;
                self.discard(range.clone())?;
            }
            Advice::PopulateRead => self.populate_areas(range.clone(), Access::Read)?,
            Advice::PopulateWrite => self.populate_areas(range.clone(), Access::Write)?,
            Advice::DontFork => self.change_flags(range.clone(), MapFlags::DONT_FORK, true)?,
            Advice::DoFork => self.change_flags(range.clone(), MapFlags::DONT_FORK, false)?,
            Advice::WipeOnFork => {
                self.check_private_anonymous(range.clone())?;
                self.change_flags(range.clone(), MapFlags::WIPE_ON_FORK, true)?;
            }
            Advice::KeepOnFork => {
                self.change_flags(range.clone(), MapFlags::WIPE_ON_FORK, false)?
            }
        }
        match self.map.read().areas.covers(range) {
            true => Ok(()),
            false => Err(SpaceError::NoMemory),
        }
    }

    fn check_private_anonymous(&self, range: Range<usize>) -> Result<(), SpaceError> {
        let map = self.map.read();
        let private = |area: &Area| area.backing.is_anonymous() && !area.is_shared();
        let mut areas = map.areas.overlapping(range);
        match areas.all(|(_, area)| private(area)) {
            true => Ok(()),
            false => Err(SpaceError::Invalid),
        }
    }

    /// MADV_DONTNEED: private pages are forgotten, shared ones stay with their source.
    fn discard(&self, range: Range<usize>) -> Result<(), SpaceError> {
        let mut map = self.map.write();
        let locked = |area: &Area| area.flags.contains(MapFlags::LOCKED);
        if map
            .areas
            .overlapping(range.clone())
            .any(|(_, area)| locked(area))
        {
            return Err(SpaceError::Invalid);
        }
        map.generation += 1;
        self.clear(&map, range, None);
        Ok(())
    }

    fn populate_areas(&self, range: Range<usize>, access: Access) -> Result<(), SpaceError> {
        self.populate(range.start, range.len(), access)
            .map_err(|fault| match fault {
                Fault::NotMapped | Fault::OutOfMemory => SpaceError::NoMemory,
                Fault::NotAllowed => SpaceError::Invalid,
                Fault::Bus => SpaceError::NotMapped,
            })
    }

    fn change_flags(
        &self,
        range: Range<usize>,
        flags: MapFlags,
        on: bool,
    ) -> Result<(), SpaceError> {
        let mut map = self.map.write();
        map.areas.prepare_change(&range)?;
        map.areas.change(range, |area| area.flags.set(flags, on));
        map.generation += 1;
        Ok(())
    }

    /// Whether all of the range is mapped; `NoMemory` if not. For advice that needs no action.
    pub fn check_mapped(&self, start: usize, length: usize) -> Result<(), SpaceError> {
        let range = user_pages(start, length).ok_or(SpaceError::Invalid)?;
        match self.map.read().areas.covers(range) {
            true => Ok(()),
            false => Err(SpaceError::NoMemory),
        }
    }

    /// mlock(2) and munlock(2): marks the range. There is no swap, so pages never leave by
    /// themselves; the mark keeps madvise(2) from discarding them.
    pub fn lock_pages(
        &self,
        start: usize,
        length: usize,
        locking: Locking,
    ) -> Result<(), SpaceError> {
        self.check_mapped(start, length)?;
        let range = user_pages(start, length).ok_or(SpaceError::Invalid)?;
        self.lock_range(range, locking)
    }

    /// mlockall(MCL_CURRENT) and munlockall(2).
    pub fn lock_all(&self, locking: Locking) -> Result<(), SpaceError> {
        self.lock_range(crate::USER_START..crate::USER_END, locking)
    }

    /// mlockall(MCL_FUTURE): how new mappings are locked.
    pub fn lock_future(&self, locking: Locking) {
        self.map.write().lock_future = locking;
    }

    fn lock_range(&self, range: Range<usize>, locking: Locking) -> Result<(), SpaceError> {
        self.change_flags(range.clone(), MapFlags::LOCKED, locking != Locking::Off)?;
        match locking {
            Locking::Now => self
                .populate_mapped(range)
                .map_err(|_| SpaceError::NoMemory),
            _ => Ok(()),
        }
    }

    /// msync(2): writes back what shared mappings of files in the range have changed.
    pub fn sync(&self, start: usize, length: usize) -> Result<(), SpaceError> {
        let range = user_pages(start, length).ok_or(SpaceError::Invalid)?;
        let map = self.map.read();
        let mapped = map.areas.covers(range.clone());
        let sources: Vec<_> = map
            .areas
            .overlapping(range.clone())
            .filter(|(_, area)| area.is_shared())
            .filter_map(|(start, area)| {
                let part = start.max(range.start)..area.end.min(range.end);
                match area.backing_at(part.start - start) {
                    Backing::Source { source, first } => {
                        Some((source, first..first + (part.len() >> PAGE_SHIFT) as u64))
                    }
                    _ => None,
                }
            })
            .collect();
        drop(map);
        for (source, pages) in sources {
            source.sync(pages).map_err(|_| SpaceError::Io)?;
        }
        if mapped {
            Ok(())
        } else {
            Err(SpaceError::NoMemory)
        }
    }

    /// mincore(2): which pages of the range are resident; `NoMemory` over a hole.
    pub fn resident(&self, start: usize, length: usize) -> Result<Vec<bool>, SpaceError> {
        let range = user_pages(start, length).ok_or(SpaceError::Invalid)?;
        let map = self.map.read();
        if !map.areas.covers(range.clone()) {
            return Err(SpaceError::NoMemory);
        }
        let root = self.table(&map);
        let is_resident = |page| {
            root.find_page(page)
                .is_some_and(|slot| !load(slot).is_empty())
        };
        Ok(range.step_by(PAGE_SIZE).map(is_resident).collect())
    }
}
