//! fork(2): the child shares every private page until one of the two writes to it.

use super::area::Area;
use super::gather::Gather;
use super::types::MapFlags;
use super::{AddressSpace, Map};
use crate::OutOfMemory;
use crate::addr::PAGE_SIZE;
use crate::frame::array;
use crate::page_table::{Entry, Table, store, visit_last_tables};
use alloc::sync::Arc;
use core::ops::{ControlFlow, Range};
use core::sync::atomic::Ordering::Relaxed;

impl AddressSpace {
    /// A copy for fork(2): private pages become copy-on-write, shared ones stay shared. The
    /// parent is flushed once. When memory runs out half-way the child is dropped, and with it
    /// every share it has taken.
    pub fn fork(&self) -> Result<Arc<Self>, OutOfMemory> {
        let child = Self::new()?;
        child.set_limits(self.limits());
        let mut map = self.map.write();
        let mut child_map = child.map.write();
        let outcome = self.copy_areas(&mut map, &child, &mut child_map);
        drop(child_map);
        drop(map);
        outcome.map(|()| child)
    }

    fn copy_areas(
        &self,
        map: &mut Map,
        child: &Self,
        child_map: &mut Map,
    ) -> Result<(), OutOfMemory> {
        child_map.brk = map.brk.clone();
        let mut flush = Gather::new(&self.context);
        for (start, area) in map.areas.iter() {
            if area.flags.contains(MapFlags::DONT_FORK) {
                continue;
            }
            // Locks are not inherited (mlock(2)).
            let copy = Area {
                flags: area.flags.difference(MapFlags::LOCKED),
                ..area.clone()
            };
            child_map.areas.prepare()?;
            child_map.areas.insert(start, copy);
            // Shared pages come back from their source.
            if !area.is_shared() && !area.flags.contains(MapFlags::WIPE_ON_FORK) {
                let (from, to) = (self.table(map), child.table(child_map));
                child.count_resident(copy_pages(from, to, start..area.end, &mut flush)?);
            }
        }
        child.peak.store(child.resident.load(Relaxed), Relaxed);
        Ok(())
    }
}

/// Shares the pages of `range`, a last-level table at a time. Returns how many are counted.
fn copy_pages(
    from: Table<'_>,
    to: Table<'_>,
    range: Range<usize>,
    flush: &mut Gather<'_>,
) -> Result<usize, OutOfMemory> {
    let mut copied = 0;
    let flow = visit_last_tables(from, range, |address, part, source| {
        let mut next = source.next_used(part.clone());
        if next.is_none() {
            return ControlFlow::Continue(());
        }
        let Ok(target) = to.make_last_table(address) else {
            return ControlFlow::Break(());
        };
        while let Some(at) = next {
            let entry = source.load(at);
            let shared = share(entry);
            if shared != entry {
                store(source.slot(at), shared);
                let page = address + (at - part.start) * PAGE_SIZE;
                flush.changed(page..page + PAGE_SIZE);
            }
            store(target.slot(at), shared);
            copied += usize::from(entry.is_counted());
            next = source.next_used(at + 1..part.end);
        }
        ControlFlow::Continue(())
    });
    match flow {
        ControlFlow::Continue(()) => Ok(copied),
        ControlFlow::Break(()) => Err(OutOfMemory),
    }
}

/// One more share of the frame; what both sides may do with it from now on.
fn share(entry: Entry) -> Entry {
    if !entry.is_counted() {
        return entry;
    }
    array::info(entry.frame()).share();
    entry.with_rights(entry.rights().read_only())
}
