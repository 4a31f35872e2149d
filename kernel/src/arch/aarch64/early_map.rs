//! The first linear map: all RAM, readable and writable, so that frames and a heap can exist
//! before the final table is built from them. Its tables come from a fixed pool.

use crate::machine::Region;
use core::arch::asm;
use mm::phys_map::LINEAR_BASE;

type Table = [u64; 512];

/// Enough for the edges of a dozen regions: whole gigabytes take no table of their own.
const POOL: usize = 32;

#[repr(C, align(4096))]
struct Pool([Table; POOL]);

static mut TABLES: Pool = Pool([[0; 512]; POOL]);

// Entries (Arm ARM D8.3): valid, normal memory, inner shareable, accessed, never executable.
const VALID: u64 = 0b01;
const TABLE_OR_PAGE: u64 = 0b10;
const DATA: u64 = VALID | 1 << 2 | 3 << 8 | 1 << 10 | 1 << 53 | 1 << 54;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

unsafe extern "C" {
    static mut __boot_tables: [Table; 6];
}

/// Builds the map below the boot tables' upper half.
pub struct EarlyMap {
    image_physical: u64,
    used: usize,
}

impl EarlyMap {
    /// # Safety
    /// Called once, by the boot CPU, while it runs on the boot tables; the image is at
    /// `image_physical`.
    pub unsafe fn new(image_physical: u64) -> Self {
        Self {
            image_physical,
            used: 0,
        }
    }

    /// Adds the whole pages of a region of RAM. Panics when the pool is empty.
    pub fn add(&mut self, region: Region) {
        let mut physical = region.base.next_multiple_of(4096);
        let end = region.end() & !0xfff;
        while physical < end {
            physical += self.add_largest(physical, end - physical);
        }
    }

    /// Makes the new entries visible to the table walker.
    pub fn finish(self) {
        // SAFETY: barriers.
        unsafe { asm!("dsb ishst", "isb", options(nostack, preserves_flags)) };
    }

    /// Maps one block at `physical`, the largest that fits; returns its size.
    fn add_largest(&mut self, physical: u64, room: u64) -> u64 {
        let address = LINEAR_BASE as u64 + physical;
        // SAFETY: `new`'s caller made this the only user of the tables; the fourth is TTBR1's.
        let mut table = unsafe { (&raw mut __boot_tables).cast::<Table>().add(3) };
        for shift in [39, 30, 21, 12] {
            let size = 1u64 << shift;
            // SAFETY: `table` is a boot table or one of the pool, and the index is below 512.
            let entry = unsafe { &mut (*table)[(address >> shift) as usize & 511] };
            if shift < 39 && physical.is_multiple_of(size) && room >= size {
                *entry = physical | DATA | if shift == 12 { TABLE_OR_PAGE } else { 0 };
                return size;
            }
            if *entry & VALID == 0 {
                *entry = self.take() | VALID | TABLE_OR_PAGE;
            }
            table = self.pointer(*entry & ADDRESS);
        }
        unreachable!("a page fits: addresses and lengths are whole pages")
    }

    /// The physical address of an unused table.
    fn take(&mut self) -> u64 {
        assert!(
            self.used < POOL,
            "too many regions of RAM for the early map"
        );
        // SAFETY: in bounds; only the address is formed.
        let table = unsafe { (&raw mut TABLES.0[self.used]).addr() };
        self.used += 1;
        (table - super::mmu::IMAGE_BASE) as u64 + self.image_physical
    }

    /// All tables of this map are in the image.
    fn pointer(&self, physical: u64) -> *mut Table {
        let address = (physical - self.image_physical) as usize + super::mmu::IMAGE_BASE;
        core::ptr::with_exposed_provenance_mut(address)
    }
}
