//! The map of areas: lookup, splitting, joining and finding room.

use super::area::Area;
use super::types::{Backing, MapFlags};
use crate::addr::{PAGE_SIZE, USER_END, USER_START};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

/// New mappings go below this, leaving the top to the main thread's stack.
pub const MAP_TOP: usize = USER_END - (1 << 30);

/// Pages that stay free below a growing stack (Linux: stack_guard_gap).
pub const STACK_GAP: usize = 256 * PAGE_SIZE;

/// As Linux's vm.max_map_count.
pub const MAX_AREAS: usize = 65_530;

pub struct Areas {
    by_start: BTreeMap<usize, Area>,
    /// Where the search for room starts: below the newest mapping. Only a hint.
    search_top: usize,
    /// Pages in all areas.
    pub pages: usize,
}

impl Areas {
    pub const fn new() -> Self {
        Self {
            by_start: BTreeMap::new(),
            search_top: MAP_TOP,
            pages: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.by_start.len()
    }

    /// The area that holds `address`, and its start.
    #[inline]
    pub fn find(&self, address: usize) -> Option<(usize, &Area)> {
        let (&start, area) = self.by_start.range(..=address).next_back()?;
        (address < area.end).then_some((start, area))
    }

    /// The first area that starts after `address`.
    pub fn next_after(&self, address: usize) -> Option<(usize, &Area)> {
        self.by_start
            .range(address + 1..)
            .next()
            .map(|(&start, area)| (start, area))
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &Area)> {
        self.by_start.iter().map(|(&start, area)| (start, area))
    }

    /// The areas that touch `range`, in order.
    pub fn overlapping(&self, range: Range<usize>) -> impl Iterator<Item = (usize, &Area)> {
        let first = self
            .find(range.start)
            .map_or(range.start, |(start, _)| start);
        self.by_start
            .range(first..range.end.max(first))
            .map(|(&start, area)| (start, area))
    }

    pub fn is_free(&self, range: Range<usize>) -> bool {
        self.overlapping(range).next().is_none()
    }

    /// Whether every page of `range` lies in some area.
    pub fn covers(&self, range: Range<usize>) -> bool {
        let mut reached = range.start;
        for (start, area) in self.overlapping(range.clone()) {
            if start > reached {
                return false;
            }
            reached = area.end;
        }
        reached >= range.end
    }

    /// How much of `range` is mapped, in bytes.
    pub fn mapped_bytes(&self, range: Range<usize>) -> usize {
        self.overlapping(range.clone())
            .map(|(start, area)| area.end.min(range.end) - start.max(range.start))
            .sum()
    }

    /// The free space around `range` (which is free), from area to area.
    pub fn gap_around(&self, range: Range<usize>) -> Range<usize> {
        let below = self
            .by_start
            .range(..range.start)
            .next_back()
            .map_or(0, |(_, area)| area.end);
        let above = self
            .by_start
            .range(range.end..)
            .next()
            .map_or(USER_END, |(&start, _)| start);
        below..above
    }

    /// Adds an area over free pages, joined with its neighbours where they are alike.
    pub fn insert(&mut self, mut start: usize, mut area: Area) {
        self.pages += (area.end - start) / PAGE_SIZE;
        if let Some((&below, previous)) = self.by_start.range(..start).next_back()
            && previous.end == start
            && previous.joins(below, &area)
        {
            let previous = self.by_start.remove(&below).expect("found above");
            area.backing = previous.backing;
            start = below;
        }
        if let Some(next) = self.by_start.get(&area.end)
            && area.joins(start, next)
        {
            let end = area.end;
            area.end = next.end;
            self.by_start.remove(&end);
        }
        self.by_start.insert(start, area);
    }

    /// Takes out everything in `range`, cutting areas at its ends.
    pub fn take(&mut self, range: Range<usize>) -> Vec<(usize, Area)> {
        self.split(range.start);
        self.split(range.end);
        let mut taken = Vec::new();
        while let Some((&start, _)) = self.by_start.range(range.clone()).next() {
            let area = self.by_start.remove(&start).expect("found above");
            self.pages -= (area.end - start) / PAGE_SIZE;
            taken.push((start, area));
        }
        taken
    }

    /// Cuts the area that has `at` inside it.
    fn split(&mut self, at: usize) {
        let Some((&start, area)) = self.by_start.range_mut(..at).next_back() else {
            return;
        };
        if area.end <= at {
            return;
        }
        let upper = Area {
            backing: area.backing_at(at - start),
            ..area.clone()
        };
        area.end = at;
        self.by_start.insert(at, upper);
    }

    /// Changes the areas of `range` (cut at its ends), joining what has become alike.
    pub fn change(&mut self, range: Range<usize>, mut change: impl FnMut(&mut Area)) {
        for (start, mut area) in self.take(range) {
            change(&mut area);
            self.insert(start, area);
        }
    }

    /// Moves the start of a stack area down.
    pub fn grow_down(&mut self, start: usize, new_start: usize) {
        if let Some(area) = self.by_start.remove(&start) {
            self.pages += (start - new_start) / PAGE_SIZE;
            self.by_start.insert(new_start, area);
        }
    }

    /// Room for `length` bytes: at the hint, else as high as possible below [`MAP_TOP`].
    pub fn find_room(&mut self, hint: usize, length: usize) -> Option<usize> {
        let wanted = hint..hint.checked_add(length)?;
        if hint >= USER_START && wanted.end <= USER_END && self.is_free(wanted) {
            return Some(hint);
        }
        let found = self
            .room_below(self.search_top, length)
            .or_else(|| self.room_below(MAP_TOP, length))?;
        self.search_top = found;
        Some(found)
    }

    /// Remembers that `gap` has become free.
    pub fn freed(&mut self, gap: &Range<usize>) {
        self.search_top = self.search_top.max(gap.end.min(MAP_TOP));
    }

    fn room_below(&self, ceiling: usize, length: usize) -> Option<usize> {
        let mut top = ceiling;
        for (&start, area) in self.by_start.range(..ceiling).rev() {
            if area.end <= top && top - area.end >= length {
                return Some(top - length);
            }
            let guard = if area.flags.contains(MapFlags::GROWS_DOWN) {
                STACK_GAP
            } else {
                0
            };
            top = top.min(start.saturating_sub(guard));
        }
        (top >= USER_START + length).then(|| top - length)
    }

    /// Pages that count as data (RLIMIT_DATA): private, writable, not a stack.
    pub fn data_pages(&self) -> usize {
        self.iter()
            .filter(|(_, area)| is_data(area))
            .map(|(start, area)| (area.end - start) / PAGE_SIZE)
            .sum()
    }
}

pub fn is_data(area: &Area) -> bool {
    let outside = MapFlags::SHARED | MapFlags::GROWS_DOWN;
    area.prot.contains(super::Prot::WRITE)
        && !area.flags.intersects(outside)
        && !matches!(area.backing, Backing::Physical(_))
}
