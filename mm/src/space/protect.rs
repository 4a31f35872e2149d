//! mprotect(2).

use super::area::Area;
use super::gather::Gather;
use super::sorted::Place;
use super::types::{MapFlags, Prot, SpaceError};
use super::{AddressSpace, Map};
use crate::addr::{PAGE_SIZE, user_pages};
use crate::frame::array;
use crate::page_table::{load, store, visit_pages};
use core::ops::{ControlFlow, Range};

impl AddressSpace {
    /// Changes what may be done with `range`, all of which must be mapped.
    pub fn protect(&self, start: usize, length: usize, prot: Prot) -> Result<(), SpaceError> {
        let range = user_pages(start, length).ok_or(SpaceError::Invalid)?;
        let mut map = self.map.write();
        let forbids = MapFlags::SHARED | MapFlags::NEVER_WRITE;
        let mut read_only = false;
        let note = |area: &Area| read_only |= area.flags.contains(forbids);
        let first = map.areas.covers_each(range.clone(), note);
        let first = first.ok_or(SpaceError::NoMemory)?;
        if prot.contains(Prot::WRITE) && read_only {
            return Err(SpaceError::Denied);
        }
        map.areas.prepare_change(&range)?;
        let set = |area: &mut Area| area.prot = prot;
        let first = map.areas.change_from(first, range.clone(), set);
        map.generation += 1;
        self.apply_protection(&map, first, range);
        Ok(())
    }

    /// Brings the entries of `range` in line with their areas, the first of which is at `first`.
    fn apply_protection(&self, map: &Map, first: Place, range: Range<usize>) {
        let root = self.table(map);
        let mut flush = Gather::new(&self.context);
        for (start, area) in map.areas.from(first, range.end) {
            let part = start.max(range.start)..area.end.min(range.end);
            let _ = visit_pages(root, part, |address, slot| {
                let old = load(slot);
                let rights = area.rights_for(old, || array::info(old.frame()).count());
                if rights.execute {
                    super::fault::sync_instructions(old.frame(), rights);
                }
                let new = old.with_rights(rights);
                if new != old {
                    store(slot, new);
                }
                if new != old && old.is_valid() {
                    flush.changed(address..address + PAGE_SIZE);
                }
                ControlFlow::<()>::Continue(())
            });
        }
    }
}
