//! What /proc shows of a space.

use super::AddressSpace;
use super::area::Area;
use super::areas::is_data;
use super::types::{AreaInfo, Backing, MapFlags, Resident, Usage};
use crate::addr::{PAGE_SHIFT, PAGE_SIZE};
use crate::frame::array;
use crate::page_table::{load, visit_last_tables, visit_pages};
use core::ops::ControlFlow;
use core::sync::atomic::Ordering::Relaxed;

impl AddressSpace {
    /// The first area that ends after `address`: a line of /proc/<pid>/maps.
    pub fn area_from(&self, address: usize) -> Option<AreaInfo> {
        let (start, area, pages) = {
            let map = self.map.read();
            let (start, area) = map.areas.overlapping(address..crate::USER_END).next()?;
            (start, area.clone(), self.resident_in(&map, start, area))
        };
        // Without the lock: naming a file may look at its directory.
        Some(describe(start, area, pages))
    }

    /// All areas, in order of address, each as it is when the walk comes to it.
    pub fn areas(&self) -> impl Iterator<Item = AreaInfo> {
        let mut from = 0;
        core::iter::from_fn(move || {
            let area = self.area_from(from)?;
            from = area.range.end;
            Some(area)
        })
    }

    fn resident_in(&self, map: &super::Map, start: usize, area: &Area) -> Resident {
        let mut resident = Resident::default();
        let anonymous = matches!(area.backing, Backing::Anonymous);
        let _ = visit_pages(self.table(map), start..area.end, |_, slot| {
            let entry = load(slot);
            if entry.is_counted() {
                let holders = array::info(entry.frame()).count().max(1) as usize;
                resident.add(holders, anonymous || entry.is_writable());
            }
            ControlFlow::<()>::Continue(())
        });
        resident
    }

    /// Pages resident now; takes no lock.
    pub fn resident_pages(&self) -> usize {
        self.resident.load(Relaxed)
    }

    /// Sizes for /proc/<pid>/status, in pages.
    pub fn usage(&self) -> Usage {
        let map = self.map.read();
        let mut last_tables = 0;
        let _ = visit_last_tables(self.table(&map), 0..crate::USER_END, |_, _, _| {
            last_tables += 1;
            ControlFlow::<()>::Continue(())
        });
        Usage {
            table_pages: 1 + last_tables,
            ..self.sizes(&map)
        }
    }

    /// As [`usage`](Self::usage) without a walk through the tables, which stay uncounted: for
    /// /proc/<pid>/{stat,statm}, which ps and top read of every process.
    pub fn brief_usage(&self) -> Usage {
        self.sizes(&self.map.read())
    }

    fn sizes(&self, map: &super::Map) -> Usage {
        let sum = |wanted: &dyn Fn(&Area) -> bool| {
            let areas = map.areas.iter().filter(|(_, area)| wanted(area));
            areas
                .map(|(start, area)| (area.end - start) / PAGE_SIZE)
                .sum()
        };
        Usage {
            virtual_pages: map.areas.pages,
            resident_pages: self.resident.load(Relaxed),
            peak_resident_pages: self.peak.load(Relaxed),
            data_pages: sum(&is_data),
            stack_pages: sum(&|area| area.flags.contains(MapFlags::GROWS_DOWN)),
            locked_pages: sum(&|area| area.flags.contains(MapFlags::LOCKED)),
            table_pages: 0,
        }
    }
}

impl Resident {
    fn add(&mut self, holders: usize, dirty: bool) {
        let kind = match (holders, dirty) {
            (1, _) => &mut self.private,
            (_, true) => &mut self.shared_dirty,
            (_, false) => &mut self.shared_clean,
        };
        *kind += 1;
        self.pages += 1;
        self.proportional += PAGE_SIZE / holders;
    }
}

fn describe(start: usize, area: Area, resident: Resident) -> AreaInfo {
    let (offset, identity) = match &area.backing {
        Backing::Source { source, first } => (first << PAGE_SHIFT, Some(source.identity())),
        Backing::Physical(address) => (address.0, None),
        Backing::Anonymous => (0, None),
    };
    AreaInfo {
        range: start..area.end,
        prot: area.prot,
        flags: area.flags,
        offset,
        identity,
        label: area.label,
        resident,
    }
}
