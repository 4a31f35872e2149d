//! The `Tlb` port: translation caches, TTBR0 and instruction caches. The kernel implements it.
//!
//! Discipline that the implementation owes (Arm ARM D8.13): every flush is `dsb ishst` (local:
//! `nshst`) before, the TLBI operations, `dsb ish` (local: `nsh`) after, then `isb`; the flush is
//! complete, on all CPUs it names, when the call returns. Kernel callers never issue TLBI
//! themselves.

use crate::addr::PhysAddr;
use core::ops::Range;
use spin::Once;

/// Which CPUs a flush must reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Only the CPU that calls, which is pinned.
    Local,
    /// Every CPU of the inner-shareable domain (TLBI ...IS).
    Broadcast,
}

pub trait Tlb: Sync {
    /// Drops the translations of `pages` (page-aligned user addresses) tagged `asid`, and what the
    /// walks to them have cached: tables may have been unlinked (VAE1, not VALE1).
    fn flush_pages(&self, asid: u16, pages: Range<usize>, scope: Scope);

    /// Drops everything tagged `asid`, walk caches included.
    fn flush_asid(&self, asid: u16, scope: Scope);

    /// Drops everything that is not global on this CPU: after an ASID rollover.
    fn flush_all_local(&self);

    /// Drops kernel (global) entries of `pages`, walk caches included, on every CPU.
    fn flush_kernel(&self, pages: Range<usize>);

    /// Makes changes of tables visible to the table walkers of every CPU: `dsb ishst; isb`.
    fn publish(&self);

    /// Writes TTBR0_EL1 = root and ASID, then `isb`.
    fn set_user_table(&self, root: PhysAddr, asid: u16);

    /// Makes instructions written through the kernel's mapping `start..start + length` visible to
    /// instruction fetch on every CPU (`dc cvau`, `dsb ish`, `ic ivau`, `dsb ish`, `isb`).
    fn sync_instructions(&self, start: *const u8, length: usize);

    /// 8 or 16 (ID_AA64MMFR0_EL1.ASIDBits; the smallest of all CPUs).
    fn asid_bits(&self) -> u32;
}

static TLB: Once<&'static dyn Tlb> = Once::new();

/// Installs the port; before the first address space is made. Later calls are ignored.
pub fn install(tlb: &'static dyn Tlb) {
    TLB.call_once(|| tlb);
}

#[inline]
pub(crate) fn tlb() -> &'static dyn Tlb {
    *TLB.get()
        .expect("mm::tlb::install comes before the first mapping")
}
