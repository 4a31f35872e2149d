//! Placeholder until the per-CPU crate lands: only the names other crates compile against.
#![no_std]

/// A logical CPU number, in device-tree order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuId(u16);

impl CpuId {
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A set of CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuSet([u64; 16]);

impl CpuSet {
    pub const fn new() -> Self {
        Self([0; 16])
    }

    pub const fn all() -> Self {
        Self([!0; 16])
    }

    pub fn contains(&self, cpu: CpuId) -> bool {
        self.0[cpu.index() / 64] >> (cpu.index() % 64) & 1 != 0
    }

    pub fn insert(&mut self, cpu: CpuId) {
        self.0[cpu.index() / 64] |= 1 << (cpu.index() % 64);
    }
}

impl FromIterator<CpuId> for CpuSet {
    fn from_iter<I: IntoIterator<Item = CpuId>>(cpus: I) -> Self {
        let mut set = Self::new();
        cpus.into_iter().for_each(|cpu| set.insert(cpu));
        set
    }
}

pub mod irq {
    /// IRQs are masked while it lives.
    pub struct IrqGuard;

    pub fn mask() -> IrqGuard {
        IrqGuard
    }
}
