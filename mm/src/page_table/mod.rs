//! VMSAv8-64 translation tables: 4 KiB granule, 48 bits, four levels.
//!
//! [`Table`] is one page of entries and the only unsafe step: following a pointer to the next
//! one. `walk` finds and makes slots, `visit` goes over ranges. Policy (who locks, who flushes)
//! lives in `space` and `kernel_space`.

pub mod entry;
mod range;
mod table;

pub use entry::{Entry, MemoryType, Rights};
pub(crate) use range::{Hole, free_tables, visit_last_tables, visit_pages};
pub(crate) use table::{Half, Table, free_table, load, release_page, store};

/// The memory types that table entries refer to: MAIR_EL1 on every CPU.
/// 0 Device-nGnRnE, 1 Normal write-back, 2 Normal non-cacheable, 3 Device-nGnRE.
pub const MAIR: u64 = 0x0444_ff00;

/// Address bits that one level resolves.
const LEVEL_BITS: usize = 9;
pub const ENTRIES: usize = 1 << LEVEL_BITS;

/// Lowest address bit that `level` (0..=3) resolves.
pub const fn level_shift(level: usize) -> usize {
    crate::PAGE_SHIFT + (3 - level) * LEVEL_BITS
}

/// Which entry of its `level` table translates `address`.
#[inline]
pub const fn index(address: usize, level: usize) -> usize {
    (address >> level_shift(level)) & (ENTRIES - 1)
}
