//! mremap(2): grow, shrink or move one mapping, pages and all.

use super::area::Area;
use super::areas::Removed;
use super::gather::Gather;
use super::types::{MapFlags, RemapTo, SpaceError};
use super::{AddressSpace, Map};
use crate::OutOfMemory;
use crate::addr::{PAGE_SIZE, USER_END, USER_START, page_up, user_pages};
use crate::page_table::{Entry, Hole, free_tables, load, store, visit_pages};
use core::ops::{ControlFlow, Range};

/// Areas that a move may add: two ends where it leaves, one where it arrives. Linux asks for them
/// whether or not they are needed.
const MOVED: usize = 3;

impl AddressSpace {
    /// Resizes the mapping at `start` from `old_length` to `new_length` bytes; returns where it
    /// is now. `old_length` 0 (a second mapping of shared pages) is not offered.
    pub fn remap(
        &self,
        start: usize,
        old_length: usize,
        new_length: usize,
        to: RemapTo,
    ) -> Result<usize, SpaceError> {
        let old = user_pages(start, old_length).ok_or(SpaceError::Invalid)?;
        let length = page_up(new_length)
            .filter(|&length| length > 0)
            .ok_or(SpaceError::Invalid)?;
        let mut map = self.map.write();
        let shrinks = length <= old.len() && !matches!(to, RemapTo::Fixed(_));
        map.areas.check_room(if shrinks { 1 } else { MOVED })?;
        map.areas.prepare()?;
        map.generation += 1;
        let mut removed = Removed::default();
        let outcome = self.remap_locked(&mut map, old, length, to, &mut removed);
        let locked = outcome.ok().is_some_and(|at| {
            map.areas
                .find(at)
                .is_some_and(|(_, area)| area.flags.contains(MapFlags::LOCKED))
        });
        drop(map);
        drop(removed);
        if let (Ok(at), true) = (outcome, locked) {
            let _ = self.populate_mapped(at..at + length);
        }
        outcome
    }

    fn remap_locked(
        &self,
        map: &mut Map,
        old: Range<usize>,
        length: usize,
        to: RemapTo,
        removed: &mut Removed,
    ) -> Result<usize, SpaceError> {
        let (start, area) = map.areas.find(old.start).ok_or(SpaceError::NotMapped)?;
        if area.end < old.end {
            return Err(SpaceError::NotMapped);
        }
        let piece = Area {
            end: 0,
            backing: area.backing_at(old.start - start),
            ..area.clone()
        };
        let ends_area = area.end == old.end;
        if let RemapTo::Fixed(target) = to {
            return self.move_onto(map, old, (target, length), piece, removed);
        }
        if length <= old.len() {
            if length < old.len() {
                self.remove(map, old.start + length..old.end, removed);
            }
            return Ok(old.start);
        }
        self.check_growth(map, &old, length, &piece)?;
        if ends_area && extend(map, &old, length, &piece)? {
            return Ok(old.start);
        }
        if to == RemapTo::InPlace {
            return Err(SpaceError::NoMemory);
        }
        let target = map.areas.find_room(0, length).ok_or(SpaceError::NoMemory)?;
        self.move_pages(map, old, target..target + length, piece, removed)
    }

    /// Moves the piece to a place and length of the caller's choice, onto whatever is there.
    fn move_onto(
        &self,
        map: &mut Map,
        old: Range<usize>,
        (target, length): (usize, usize),
        piece: Area,
        removed: &mut Removed,
    ) -> Result<usize, SpaceError> {
        let target = user_pages(target, length)
            .filter(|range| range.start >= USER_START)
            .ok_or(SpaceError::Invalid)?;
        if target.start < old.end && old.start < target.end {
            return Err(SpaceError::Invalid);
        }
        self.check_growth(map, &old, length, &piece)?;
        self.remove(map, target.clone(), removed);
        map.areas.prepare()?;
        self.move_pages(map, old, target, piece, removed)
    }

    fn check_growth(
        &self,
        map: &Map,
        old: &Range<usize>,
        length: usize,
        piece: &Area,
    ) -> Result<(), SpaceError> {
        // What is beyond the old length counts as new, wherever it will be.
        match length.checked_sub(old.len()).filter(|&growth| growth > 0) {
            Some(growth) => self.check_limits(map, growth, 0, piece),
            None => Ok(()),
        }
    }

    /// Moves the mapping at `old` to the free range `target`.
    fn move_pages(
        &self,
        map: &mut Map,
        old: Range<usize>,
        target: Range<usize>,
        piece: Area,
        removed: &mut Removed,
    ) -> Result<usize, SpaceError> {
        let moved = old.len().min(target.len());
        self.make_tables(map, old.start..old.start + moved, target.start)?;
        let mut gather = Gather::new(&self.context);
        let root = self.table(map);
        let _ = visit_pages(root, old.start..old.start + moved, |address, slot| {
            let entry = load(slot);
            store(slot, Entry::EMPTY);
            if entry.is_valid() {
                gather.changed(address..address + PAGE_SIZE);
            }
            if let Some(new) = root.find_page(address - old.start + target.start) {
                store(new, entry);
            }
            ControlFlow::<()>::Continue(())
        });
        // The old translations go before anybody can use the new ones: the pages must not be
        // reachable under two addresses, one of which is soon somebody else's.
        gather.finish();
        // The new area first: what is removed next must not take its tables for useless.
        let start = target.start;
        map.areas.insert(
            start,
            Area {
                end: target.end,
                ..piece
            },
        );
        self.remove(map, old, removed);
        Ok(start)
    }

    /// Tables at `target` for every page of `source`; none of them stays on failure.
    fn make_tables(
        &self,
        map: &Map,
        source: Range<usize>,
        target: usize,
    ) -> Result<(), OutOfMemory> {
        let root = self.table(map);
        let made = visit_pages(root, source.clone(), |address, _| {
            match root.make_page(address - source.start + target) {
                Ok(_) => ControlFlow::Continue(()),
                Err(OutOfMemory) => ControlFlow::Break(()),
            }
        });
        if made.is_continue() {
            return Ok(());
        }
        let emptied = target..target + source.len();
        let hole = map.areas.gap_around(emptied.clone());
        let mut gather = Gather::new(&self.context);
        free_tables(
            root,
            &Hole {
                emptied: emptied.clone(),
                hole,
            },
            &mut |entry| gather.table(emptied.clone(), entry),
        );
        Err(OutOfMemory)
    }
}

/// Lets the piece, the end of its area, go on where it is; false if there is no room behind it.
fn extend(
    map: &mut Map,
    old: &Range<usize>,
    length: usize,
    piece: &Area,
) -> Result<bool, SpaceError> {
    let more = old.end..old.start.checked_add(length).ok_or(SpaceError::NoMemory)?;
    if more.end > USER_END || !map.areas.is_free(more.clone()) {
        return Ok(false);
    }
    let area = Area {
        end: more.end,
        backing: piece.backing_at(old.len()),
        ..piece.clone()
    };
    map.areas.insert(more.start, area);
    Ok(true)
}
