//! The name of a processor.

use core::fmt;

/// The most processors the kernel can name: the size of [`crate::CpuSet`] and of the area table.
pub const MAX_CPUS: usize = 1024;

/// A processor, numbered in device-tree order from 0. Never a hardware affinity value: the
/// architecture keeps that translation to itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuId(u16);

impl CpuId {
    /// The processor that runs the first line of the kernel, whatever its place in the machine.
    pub const BOOT: CpuId = CpuId(0);

    /// Panics when `index` is not below [`MAX_CPUS`]: a programming error, never user input.
    #[inline]
    pub const fn new(index: usize) -> CpuId {
        assert!(index < MAX_CPUS, "CPU index out of range");
        CpuId(index as u16)
    }

    /// A number that was one before.
    #[inline(always)]
    #[cfg(target_os = "none")]
    pub(crate) const fn again(number: u16) -> CpuId {
        CpuId(number)
    }

    /// The same for numbers from outside.
    pub const fn checked(index: usize) -> Option<CpuId> {
        if index < MAX_CPUS {
            Some(CpuId(index as u16))
        } else {
            None
        }
    }

    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl From<CpuId> for u32 {
    fn from(cpu: CpuId) -> u32 {
        u32::from(cpu.0)
    }
}

impl fmt::Display for CpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for CpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cpu{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn numbers_from_outside_are_checked() {
        assert_eq!(CpuId::checked(MAX_CPUS), None);
        assert_eq!(
            CpuId::checked(MAX_CPUS - 1).map(CpuId::index),
            Some(MAX_CPUS - 1)
        );
        assert_eq!(format!("{:?}", CpuId::new(3)), "cpu3");
    }
}
