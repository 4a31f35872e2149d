//! mmap and munmap.

use super::area::Area;
use super::areas::{Removed, is_data};
use super::gather::Gather;
use super::types::{Access, Backing, Locking, MapFlags, MapRequest, Placement, SpaceError};
use super::{AddressSpace, Map};
use crate::addr::{PAGE_SIZE, USER_START, page_down, page_up, user_pages};
use crate::page_table::Entry;
use crate::page_table::{Hole, free_tables, load, store, visit_pages};
use core::ops::{ControlFlow, Range};

impl AddressSpace {
    /// mmap(2). Returns where the mapping starts.
    pub fn map(&self, request: MapRequest) -> Result<usize, SpaceError> {
        let length = page_up(request.length)
            .filter(|&length| length > 0)
            .ok_or(SpaceError::Invalid)?;
        let mut area = Area {
            end: 0,
            prot: request.prot,
            flags: request.flags.difference(MapFlags::POPULATE),
            backing: request.backing,
            label: request.label,
        };
        let mut map = self.map.write();
        map.areas.prepare()?;
        let future = map.lock_future;
        if future != Locking::Off {
            area.flags |= MapFlags::LOCKED;
        }
        let range = self.place(&mut map, request.placement, length)?;
        let replaces = matches!(request.placement, Placement::Fixed(_));
        let replaced = if replaces {
            map.areas.mapped_bytes(range.clone())
        } else {
            0
        };
        self.check_limits(&map, range.len(), replaced, &area)?;
        let mut removed = Removed::default();
        if replaced > 0 {
            self.remove(&mut map, range.clone(), &mut removed);
        }
        area.end = range.end;
        map.areas.insert(range.start, area);
        map.generation += 1;
        drop(map);
        drop(removed);
        if request
            .flags
            .intersects(MapFlags::POPULATE | MapFlags::LOCKED)
            || future == Locking::Now
        {
            // mmap(2): does not fail if the pages cannot be had.
            let _ = self.populate_mapped(range.clone());
        }
        Ok(range.start)
    }

    /// munmap(2). Holes are fine.
    pub fn unmap(&self, start: usize, length: usize) -> Result<(), SpaceError> {
        let range = user_pages(start, length).ok_or(SpaceError::Invalid)?;
        let mut map = self.map.write();
        map.areas.prepare_take(&range)?;
        let mut removed = Removed::default();
        self.remove(&mut map, range, &mut removed);
        map.generation += 1;
        drop(map);
        drop(removed);
        Ok(())
    }

    fn place(
        &self,
        map: &mut Map,
        placement: Placement,
        length: usize,
    ) -> Result<Range<usize>, SpaceError> {
        match placement {
            Placement::Hint(hint) => {
                let start = map
                    .areas
                    .find_room(page_down(hint), length)
                    .ok_or(SpaceError::NoMemory)?;
                Ok(start..start + length)
            }
            Placement::Fixed(start) => fixed(start, length),
            Placement::FixedNoReplace(start) => {
                let range = fixed(start, length)?;
                if map.areas.is_free(range.clone()) {
                    Ok(range)
                } else {
                    Err(SpaceError::Exists)
                }
            }
        }
    }

    /// RLIMIT_AS, RLIMIT_DATA and the number of areas, for `length` bytes of `area` more that take
    /// the place of `replaced`.
    pub(super) fn check_limits(
        &self,
        map: &Map,
        length: usize,
        replaced: usize,
        area: &Area,
    ) -> Result<(), SpaceError> {
        let limits = self.limits();
        let total = map.areas.pages * PAGE_SIZE + length - replaced;
        let data = || map.areas.data_pages() * PAGE_SIZE + length;
        let fits = total <= limits.address_space
            && map.areas.check_room(1).is_ok()
            && (limits.data == usize::MAX || !is_data(area) || data() <= limits.data);
        if fits {
            Ok(())
        } else {
            Err(SpaceError::NoMemory)
        }
    }

    /// Takes `range` out of the map and frees its pages.
    pub(super) fn remove(&self, map: &mut Map, range: Range<usize>, removed: &mut Removed) {
        if !map.areas.take(range.clone(), removed) {
            return;
        }
        let gap = map.areas.gap_around(range.clone());
        map.areas.freed(&gap);
        self.clear(map, range, Some(gap));
    }

    /// Empties the pages of `range`; with `gap`, also frees tables that lie inside it.
    pub(super) fn clear(&self, map: &Map, range: Range<usize>, gap: Option<Range<usize>>) {
        let root = self.table(map);
        let mut gather = Gather::new(&self.context);
        let _ = visit_pages(root, range.clone(), |address, slot| {
            let entry = load(slot);
            store(slot, Entry::EMPTY);
            gather.page(address, entry);
            ControlFlow::<()>::Continue(())
        });
        if let Some(gap) = gap {
            let hole = Hole {
                emptied: range.clone(),
                hole: gap,
            };
            free_tables(root, &hole, &mut |entry| gather.table(range.clone(), entry));
        }
        self.uncount_resident(gather.finish());
    }

    /// Faults in what is mapped in `range`, writable private areas for writing.
    pub(super) fn populate_mapped(&self, mut range: Range<usize>) -> Result<(), super::Fault> {
        // Area by area, each as it is when its turn comes: faulting takes the map's lock.
        while let Some((part, access)) = self.next_to_populate(range.clone()) {
            range.start = part.end;
            if let Some(access) = access {
                self.populate(part.start, part.len(), access)?;
            }
        }
        Ok(())
    }

    /// The first part of `range` that is mapped, and how to touch it, if that is allowed at all.
    fn next_to_populate(&self, range: Range<usize>) -> Option<(Range<usize>, Option<Access>)> {
        let map = self.map.read();
        let (start, area) = map.areas.overlapping(range.clone()).next()?;
        let access = match area.allows(Access::Write) && !area.is_shared() {
            true => Some(Access::Write),
            false => [Access::Read, Access::Execute]
                .into_iter()
                .find(|&access| area.allows(access)),
        };
        Some((start.max(range.start)..area.end.min(range.end), access))
    }
}

fn fixed(start: usize, length: usize) -> Result<Range<usize>, SpaceError> {
    // Linux keeps page 0 for root; here it is nobody's.
    user_pages(start, length)
        .filter(|range| range.start >= USER_START)
        .ok_or(SpaceError::Invalid)
}

impl Backing {
    pub(super) fn is_anonymous(&self) -> bool {
        matches!(self, Backing::Anonymous)
    }
}
