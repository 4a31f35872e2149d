//! brk(2): the heap area, which grows and shrinks at its end.

use super::area::Area;
use super::areas::Removed;
use super::types::{Backing, Label, Locking, MapFlags, Prot};
use super::{AddressSpace, Map};
use crate::addr::{USER_END, page_up};
use core::ops::Range;

impl AddressSpace {
    /// Where the heap starts: the loader calls it once, page-aligned, after the last segment.
    pub fn set_brk_start(&self, start: usize) {
        self.map.write().brk = start..start;
    }

    /// brk(2): the new end, or the old one if it cannot be (0 asks).
    pub fn set_brk(&self, end: usize) -> usize {
        let mut map = self.map.write();
        let brk = map.brk.clone();
        let aligned = page_up(brk.end).zip(page_up(end).filter(|&end| end <= USER_END));
        let Some((old_top, new_top)) = aligned.filter(|_| end >= brk.start) else {
            return brk.end;
        };
        if map.areas.prepare().is_err() {
            return brk.end;
        }
        if new_top < old_top {
            let mut removed = Removed::default();
            self.remove(&mut map, new_top..old_top, &mut removed);
            map.generation += 1;
            map.brk.end = end;
            drop(map);
            drop(removed);
            return end;
        }
        if new_top > old_top && !self.grow_heap(&mut map, old_top..new_top) {
            return brk.end;
        }
        map.brk.end = end;
        let populate = new_top > old_top && map.lock_future == Locking::Now;
        drop(map);
        if populate {
            // As in Linux: the heap has grown even if its pages cannot be had yet.
            let _ = self.populate_mapped(old_top..new_top);
        }
        end
    }

    /// Whether the heap could get `range`, behind what it has.
    fn grow_heap(&self, map: &mut Map, range: Range<usize>) -> bool {
        let mut flags = MapFlags::empty();
        flags.set(MapFlags::LOCKED, map.lock_future != Locking::Off);
        let area = Area {
            end: range.end,
            prot: Prot::READ | Prot::WRITE,
            flags,
            backing: Backing::Anonymous,
            label: Label::Heap,
        };
        let free = map.areas.is_free(range.clone());
        let within = range.end - map.brk.start <= self.limits().data;
        if !free || !within || self.check_limits(map, range.len(), 0, &area).is_err() {
            return false;
        }
        map.areas.insert(range.start, area);
        map.generation += 1;
        true
    }
}
