//! The map of areas: lookup, splitting, joining and finding room.

use super::area::Area;
use super::sorted::{Place, Sorted};
use super::types::{Backing, MapFlags};
use crate::OutOfMemory;
use crate::addr::{PAGE_SIZE, USER_END, USER_START};
use alloc::vec::Vec;
use core::ops::Range;

/// New mappings go below this, leaving the top to the main thread's stack.
pub const MAP_TOP: usize = USER_END - (1 << 30);

/// Pages that stay free below a growing stack (Linux: stack_guard_gap).
pub const STACK_GAP: usize = 256 * PAGE_SIZE;

/// As Linux's vm.max_map_count.
pub const MAX_AREAS: usize = 65_530;

pub struct Areas {
    by_start: Sorted<Area>,
    /// Where the search for room starts: below the newest mapping. Only a hint.
    search_top: usize,
    /// Pages in all areas.
    pub pages: usize,
}

/// Sources that have left the map. Dropped after the map lock is: the last share of a file may go.
#[derive(Default)]
pub struct Removed {
    one: Option<Backing>,
    more: Vec<Backing>,
}

impl Removed {
    fn keep(&mut self, backing: Backing) {
        match backing {
            Backing::Anonymous | Backing::Physical(_) => {}
            source if self.one.is_none() => self.one = Some(source),
            source if self.more.try_reserve(1).is_ok() => self.more.push(source),
            // Hardly ever: dropped here after all.
            _ => {}
        }
    }
}

impl Areas {
    pub const fn new() -> Self {
        Self {
            by_start: Sorted::new(),
            search_top: MAP_TOP,
            pages: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.by_start.len()
    }

    /// Sets memory aside for one change: two cuts and an insertion.
    pub fn prepare(&mut self) -> Result<(), OutOfMemory> {
        self.by_start.prepare()
    }

    /// As [`Self::prepare`] for taking `range` out, which needs nothing if no area is cut.
    pub fn prepare_take(&mut self, range: &Range<usize>) -> Result<(), OutOfMemory> {
        // Almost always there is room, and nobody need look where the cuts would be.
        if self.check_room(1).is_ok() && self.prepare().is_ok() {
            return Ok(());
        }
        if self.check_room(1).is_err() && self.splits_area(range) {
            return Err(OutOfMemory);
        }
        match self.cuts(range) {
            0 => Ok(()),
            _ => self.prepare(),
        }
    }

    /// As [`Self::prepare`] for changing the areas of `range`.
    pub fn prepare_change(&mut self, range: &Range<usize>) -> Result<(), OutOfMemory> {
        // Almost always there is room for two, and nobody need look where the cuts would be.
        if self.check_room(2).is_err() {
            self.check_room(self.cuts(range))?;
        }
        self.prepare()
    }

    /// Whether there may be `more` areas: Linux's rule, by which a change that cuts counts before
    /// anything is joined.
    pub fn check_room(&self, more: usize) -> Result<(), OutOfMemory> {
        match self.len() + more <= MAX_AREAS {
            true => Ok(()),
            false => Err(OutOfMemory),
        }
    }

    /// How many areas are cut in two when those of `range` are changed: none, one or two.
    fn cuts(&self, range: &Range<usize>) -> usize {
        usize::from(self.is_inside(range.start)) + usize::from(self.is_inside(range.end))
    }

    /// Whether taking `range` out would cut one area in two.
    pub fn splits_area(&self, range: &Range<usize>) -> bool {
        let around = self.find(range.start);
        around.is_some_and(|(start, area)| start < range.start && range.end < area.end)
    }

    fn is_inside(&self, at: usize) -> bool {
        self.find(at).is_some_and(|(start, _)| start < at)
    }

    /// The area that holds `address`, and its start.
    #[inline]
    pub fn find(&self, address: usize) -> Option<(usize, &Area)> {
        let place = self.by_start.floor(address)?;
        let area = self.by_start.value(place);
        (address < area.end).then(|| (self.by_start.key(place), area))
    }

    /// The first area that starts after `address`.
    pub fn next_after(&self, address: usize) -> Option<(usize, &Area)> {
        let place = self.by_start.above(address)?;
        Some((self.by_start.key(place), self.by_start.value(place)))
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &Area)> {
        self.by_start.iter()
    }

    /// The first area that ends after `address`.
    fn ending_after(&self, address: usize) -> Option<Place> {
        match self.by_start.floor(address) {
            Some(place) if address < self.by_start.value(place).end => Some(place),
            Some(place) => self.by_start.next(place),
            None => self.by_start.first(),
        }
    }

    /// The areas that touch `range`, in order.
    pub fn overlapping(&self, range: Range<usize>) -> impl Iterator<Item = (usize, &Area)> {
        let first = self.ending_after(range.start);
        self.by_start
            .from(first)
            .take_while(move |&(start, _)| start < range.end)
    }

    pub fn is_free(&self, range: Range<usize>) -> bool {
        self.overlapping(range).next().is_none()
    }

    /// Whether every page of `range` lies in some area.
    pub fn covers(&self, range: Range<usize>) -> bool {
        self.covers_each(range, |_| ()).is_some()
    }

    /// The same, showing each area on the way; the place of the first one if so.
    pub fn covers_each(&self, range: Range<usize>, mut look: impl FnMut(&Area)) -> Option<Place> {
        let first = self.ending_after(range.start)?;
        let mut reached = range.start;
        for (start, area) in self.by_start.from(Some(first)) {
            if start > reached {
                return None;
            }
            look(area);
            reached = area.end;
            if reached >= range.end {
                return Some(first);
            }
        }
        None
    }

    /// How much of `range` is mapped, in bytes.
    pub fn mapped_bytes(&self, range: Range<usize>) -> usize {
        self.overlapping(range.clone())
            .map(|(start, area)| area.end.min(range.end) - start.max(range.start))
            .sum()
    }

    /// The free space around `range` (which is free), from area to area.
    pub fn gap_around(&self, range: Range<usize>) -> Range<usize> {
        let below = self.by_start.floor(range.start);
        let above = match below {
            Some(place) => self.by_start.next(place),
            None => self.by_start.first(),
        };
        let start = below.map_or(0, |place| self.by_start.value(place).end);
        start..above.map_or(USER_END, |place| self.by_start.key(place))
    }

    /// Adds an area over free pages, joined with its neighbours where they are alike.
    pub fn insert(&mut self, start: usize, area: Area) {
        self.pages += (area.end - start) / PAGE_SIZE;
        let below = self.by_start.floor(start);
        if let Some(place) = below {
            let key = self.by_start.key(place);
            let previous = self.by_start.value_mut(place);
            if previous.end == start && previous.joins(key, &area) {
                previous.end = area.end;
                self.join_next(place);
                return;
            }
        }
        let above = match below {
            Some(place) => self.by_start.next(place),
            None => self.by_start.first(),
        };
        if let Some(place) = above
            && self.by_start.key(place) == area.end
            && area.joins(start, self.by_start.value(place))
        {
            self.by_start.set_key(place, start);
            self.by_start.value_mut(place).backing = area.backing;
            return;
        }
        self.by_start.insert(start, area);
    }

    /// Makes one of the area at `place` and the next one, if they are alike; whether they were.
    fn join_next(&mut self, place: Place) -> bool {
        let (start, area) = (self.by_start.key(place), self.by_start.value(place));
        let Some(next) = self.by_start.next(place) else {
            return false;
        };
        if self.by_start.key(next) != area.end || !area.joins(start, self.by_start.value(next)) {
            return false;
        }
        let (joined, _) = self.by_start.remove(next);
        self.by_start.value_mut(place).end = joined.end;
        true
    }

    /// Takes out everything in `range`, cutting areas at its ends. Whether there was anything.
    pub fn take(&mut self, range: Range<usize>, removed: &mut Removed) -> bool {
        let touched = self.ending_after(range.start);
        let Some(touched) = touched.filter(|&place| self.by_start.key(place) < range.end) else {
            return false;
        };
        let mut place = Some(self.cut(touched, &range));
        while let Some(at) = place {
            let start = self.by_start.key(at);
            let (area, next) = self.by_start.remove(at);
            self.pages -= (area.end - start) / PAGE_SIZE;
            removed.keep(area.backing);
            place = next.filter(|&next| self.by_start.key(next) < range.end);
        }
        true
    }

    /// Cuts areas at the ends of `range`, the first of which is at `first`; the first one inside.
    fn cut(&mut self, mut first: Place, range: &Range<usize>) -> Place {
        if self.by_start.key(first) < range.start {
            first = self.split(first, range.start);
        }
        let last = match self.by_start.value(first).end < range.end {
            true => self.by_start.floor(range.end - 1).unwrap_or(first),
            false => first,
        };
        if self.by_start.value(last).end <= range.end {
            return first;
        }
        let above = self.split(last, range.end);
        // Cutting may have moved it.
        let moved = match first == last {
            true => self.by_start.previous(above),
            false => self.ending_after(range.start),
        };
        moved.unwrap_or(first)
    }

    /// Cuts the area at `place`, which has `at` inside it; the place of the upper part.
    fn split(&mut self, place: Place, at: usize) -> Place {
        let start = self.by_start.key(place);
        let area = self.by_start.value_mut(place);
        let upper = Area {
            backing: area.backing_at(at - start),
            ..*area
        };
        area.end = at;
        self.by_start.insert_after(place, at, upper)
    }

    /// Changes the areas of `range` (cut at its ends), joining what has become alike.
    pub fn change(&mut self, range: Range<usize>, change: impl FnMut(&mut Area)) {
        let first = self.ending_after(range.start);
        if let Some(first) = first.filter(|&place| self.by_start.key(place) < range.end) {
            self.change_from(first, range, change);
        }
    }

    /// The same when the first of them is known to be at `first`. Returns where `range` starts now.
    pub fn change_from(
        &mut self,
        first: Place,
        range: Range<usize>,
        mut change: impl FnMut(&mut Area),
    ) -> Place {
        let first = self.cut(first, &range);
        let mut place = Some(first);
        while let Some(at) = place.filter(|&at| self.by_start.key(at) < range.end) {
            change(self.by_start.value_mut(at));
            place = self.by_start.next(at);
        }
        let below = self.by_start.previous(first);
        let first = match below {
            Some(below) if self.join_next(below) => below,
            _ => first,
        };
        // Up to the last one changed, with what follows it.
        let mut place = Some(first);
        while let Some(at) = place.filter(|&at| self.by_start.key(at) < range.end) {
            if !self.join_next(at) {
                place = self.by_start.next(at);
            }
        }
        first
    }

    /// The areas from `first` on that start before `end`.
    pub fn from(&self, first: Place, end: usize) -> impl Iterator<Item = (usize, &Area)> {
        let areas = self.by_start.from(Some(first));
        areas.take_while(move |&(start, _)| start < end)
    }

    /// Moves the start of a stack area down.
    pub fn grow_down(&mut self, start: usize, new_start: usize) {
        if let Some(place) = self.by_start.floor(start) {
            self.pages += (start - new_start) / PAGE_SIZE;
            self.by_start.set_key(place, new_start);
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
        let mut place = self.by_start.floor(ceiling - 1);
        while let Some(at) = place {
            let (start, area) = (self.by_start.key(at), self.by_start.value(at));
            if area.end <= top && top - area.end >= length {
                return Some(top - length);
            }
            let grows = area.flags.contains(MapFlags::GROWS_DOWN);
            top = top.min(start.saturating_sub(if grows { STACK_GAP } else { 0 }));
            place = self.by_start.previous(at);
        }
        (top >= USER_START + length).then(|| top - length)
    }

    /// Pages that count as data (RLIMIT_DATA): private, writable, not a stack.
    pub fn data_pages(&self) -> usize {
        let data = self.iter().filter(|(_, area)| is_data(area));
        data.map(|(start, area)| (area.end - start) / PAGE_SIZE)
            .sum()
    }
}

pub fn is_data(area: &Area) -> bool {
    let outside = MapFlags::SHARED | MapFlags::GROWS_DOWN;
    area.prot.contains(super::Prot::WRITE)
        && !area.flags.intersects(outside)
        && !matches!(area.backing, Backing::Physical(_))
}
