//! The `Tlb` port of `mm`: dropping translations here and on every CPU, TTBR0, instruction fetch.

use super::cpu;
use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{TTBR0_EL1, Writeable};
use core::arch::asm;
use core::ops::Range;
use mm::tlb::{Scope, Tlb};
use mm::{PAGE_SIZE, PhysAddr};

/// The `Tlb` port.
pub struct HardwareTlb;

/// Past this many pages, dropping everything is cheaper than page by page. A broadcast stops every
/// CPU under emulation, and costs a round trip on hardware: few of them.
const fn max_single_flushes(scope: Scope) -> usize {
    match scope {
        Scope::Local => 64,
        Scope::Broadcast => 8,
    }
}

macro_rules! tlbi {
    ($operation:literal, $scope:expr, $argument:expr) => {{
        let argument: u64 = $argument;
        match $scope {
            // SAFETY: dropping translations is always allowed.
            Scope::Local => unsafe {
                asm!(concat!("tlbi ", $operation, ", {}"), in(reg) argument, options(nostack, preserves_flags))
            },
            // SAFETY: as above.
            Scope::Broadcast => unsafe {
                asm!(concat!("tlbi ", $operation, "is, {}"), in(reg) argument, options(nostack, preserves_flags))
            },
        }
    }};
}

fn before_flush(scope: Scope) {
    match scope {
        Scope::Local => barrier::dsb(barrier::NSHST),
        Scope::Broadcast => barrier::dsb(barrier::ISHST),
    }
}

fn after_flush(scope: Scope) {
    match scope {
        Scope::Local => barrier::dsb(barrier::NSH),
        Scope::Broadcast => barrier::dsb(barrier::ISH),
    }
    barrier::isb(barrier::SY);
}

/// TLBI arguments name a page by VA[55:12] and an ASID in the top 16 bits.
fn page_argument(address: usize, asid: u16) -> u64 {
    u64::from(asid) << 48 | (address as u64 >> 12) & ((1 << 44) - 1)
}

impl Tlb for HardwareTlb {
    fn flush_pages(&self, asid: u16, pages: Range<usize>, scope: Scope) {
        if pages.len() > max_single_flushes(scope) * PAGE_SIZE {
            return self.flush_asid(asid, scope);
        }
        before_flush(scope);
        for address in pages.step_by(PAGE_SIZE) {
            tlbi!("vae1", scope, page_argument(address, asid));
        }
        after_flush(scope);
    }

    fn flush_asid(&self, asid: u16, scope: Scope) {
        before_flush(scope);
        tlbi!("aside1", scope, page_argument(0, asid));
        after_flush(scope);
    }

    fn flush_all_local(&self) {
        before_flush(Scope::Local);
        // SAFETY: dropping translations is always allowed.
        unsafe { asm!("tlbi vmalle1", options(nostack, preserves_flags)) };
        after_flush(Scope::Local);
    }

    fn flush_kernel(&self, pages: Range<usize>) {
        before_flush(Scope::Broadcast);
        if pages.len() > max_single_flushes(Scope::Broadcast) * PAGE_SIZE {
            // SAFETY: dropping translations is always allowed.
            unsafe { asm!("tlbi vmalle1is", options(nostack, preserves_flags)) };
        } else {
            for address in pages.step_by(PAGE_SIZE) {
                tlbi!("vaae1", Scope::Broadcast, page_argument(address, 0));
            }
        }
        after_flush(Scope::Broadcast);
    }

    fn publish(&self) {
        barrier::dsb(barrier::ISHST);
        barrier::isb(barrier::SY);
    }

    fn set_user_table(&self, root: PhysAddr, asid: u16) {
        let value = u64::from(asid) << 48 | root.0;
        TTBR0_EL1.set(value);
        barrier::isb(barrier::SY);
    }

    fn sync_instructions(&self, start: *const u8, length: usize) {
        cpu::sync_instructions(start, length);
    }

    fn asid_bits(&self) -> u32 {
        cpu::asid_bits()
    }
}
