//! RAM and what of it is taken, read from the device tree before there is a heap.

use super::Region;
use super::device_tree::{self, ParseError};
use dtoolkit::fdt::Fdt;

/// A short list of regions without a heap.
#[derive(Clone, Debug)]
pub struct RegionList {
    regions: [Region; RegionList::CAPACITY],
    count: usize,
}

impl RegionList {
    const CAPACITY: usize = 32;

    const fn new() -> Self {
        Self {
            regions: [Region { base: 0, size: 0 }; Self::CAPACITY],
            count: 0,
        }
    }

    /// Adds a region; false when the list is full. Empty regions are left out.
    #[must_use]
    pub fn add(&mut self, region: Region) -> bool {
        if region.size == 0 {
            return true;
        }
        let Some(slot) = self.regions.get_mut(self.count) else {
            return false;
        };
        *slot = region;
        self.count += 1;
        true
    }

    fn add_all(&mut self, regions: impl Iterator<Item = Region>) -> Result<(), ParseError> {
        for region in regions {
            if !self.add(region) {
                return Err(ParseError::TooManyRegions);
            }
        }
        Ok(())
    }

    pub fn as_slice(&self) -> &[Region] {
        &self.regions[..self.count]
    }
}

/// What the boot CPU must know before it can allocate.
#[derive(Clone, Debug)]
pub struct MemoryMap {
    pub ram: RegionList,
    /// Firmware's reservations and the initrd. The kernel image and the tree are added by boot.
    pub reserved: RegionList,
    /// The logical number of the CPU with the given affinity.
    pub boot_cpu: usize,
}

impl MemoryMap {
    /// Reads the flattened device tree in `blob`, on the CPU with affinity `mpidr`.
    pub fn parse(blob: &[u8], mpidr: u64) -> Result<Self, ParseError> {
        let tree = Fdt::new(blob).map_err(|_| ParseError::NotADeviceTree)?;
        let mut map = Self {
            ram: RegionList::new(),
            reserved: RegionList::new(),
            boot_cpu: 0,
        };
        map.ram.add_all(device_tree::memory(tree))?;
        map.reserved.add_all(device_tree::reserved(tree))?;
        map.reserved
            .add_all(device_tree::initrd(tree).into_iter())?;
        let position = device_tree::cpus(tree).position(|cpu| cpu.mpidr == mpidr);
        map.boot_cpu = position.ok_or(ParseError::NoCpus)?;
        if map.ram.as_slice().is_empty() {
            Err(ParseError::NoMemory)
        } else {
            Ok(map)
        }
    }
}
