//! VMSAv8-64 translation tables: 4 KiB granule, 48 bits, four levels.

/// The memory types that table entries refer to: MAIR_EL1 on every CPU.
/// 0 Device-nGnRnE, 1 Normal write-back, 2 Normal non-cacheable, 3 Device-nGnRE.
pub const MAIR: u64 = 0x0444_ff00;
