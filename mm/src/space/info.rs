//! What /proc shows of a space.

use super::AddressSpace;
use super::area::Area;
use super::areas::is_data;
use super::types::{AreaInfo, Backing, MapFlags, Usage};
use crate::addr::{PAGE_SHIFT, PAGE_SIZE};
use crate::page_table::{load, visit_last_tables, visit_pages};
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};
use core::sync::atomic::Ordering::Relaxed;

impl AddressSpace {
    /// The lines of /proc/<pid>/maps, in order of address.
    pub fn areas(&self) -> Vec<AreaInfo> {
        let map = self.map.read();
        let areas: Vec<_> = map
            .areas
            .iter()
            .map(|(start, area)| (start, area.clone(), self.resident_in(&map, start..area.end)))
            .collect();
        drop(map);
        // Without the lock: naming a file may look at its directory.
        areas
            .into_iter()
            .map(|(start, area, pages)| describe(start, area, pages))
            .collect()
    }

    fn resident_in(&self, map: &super::Map, range: Range<usize>) -> usize {
        let mut pages = 0;
        let _ = visit_pages(self.table(map), range, |_, slot| {
            pages += usize::from(load(slot).is_counted());
            ControlFlow::<()>::Continue(())
        });
        pages
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

fn describe(start: usize, area: Area, resident_pages: usize) -> AreaInfo {
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
        resident_pages,
    }
}
