//! AArch64, EL1: `DAIF` and `TPIDR_EL1`.
//!
//! None of the asm that changes the interrupt mask is `nomem`: memory accesses must not move
//! across it.

use crate::{CpuId, MAX_CPUS, cpu_local};
use core::arch::asm;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

/// `DAIF.I` as `MRS` shows it (Arm ARM C5.2.3).
const DAIF_I: u64 = 1 << 7;

/// Masks IRQs; says whether they were unmasked.
#[inline]
pub fn irq_mask() -> bool {
    let daif: u64;
    // SAFETY: masking interrupts breaks nothing.
    unsafe {
        asm!("mrs {}, daif", "msr daifset, #2", out(reg) daif, options(nostack, preserves_flags))
    };
    daif & DAIF_I == 0
}

/// Masks IRQs.
#[inline]
pub fn irq_mask_only() {
    // SAFETY: masking interrupts breaks nothing.
    unsafe { asm!("msr daifset, #2", options(nostack, preserves_flags)) };
}

#[inline]
pub fn irq_unmask() {
    // SAFETY: the callers in `irq` see to it that nothing relies on the mask any more.
    unsafe { asm!("msr daifclr, #2", options(nostack, preserves_flags)) };
}

#[inline]
pub fn irq_is_masked() -> bool {
    let daif: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, daif", out(reg) daif, options(nomem, nostack, preserves_flags)) };
    daif & DAIF_I != 0
}

/// Where the calling function's stack is.
#[inline(always)]
pub fn stack_pointer() -> usize {
    let sp: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    sp
}

/// What a loop that waits for another CPU does each time round. `YIELD`, not the `ISB` of
/// `core::hint::spin_loop`: only `YIELD` makes a single-threaded emulator run the other CPU.
#[inline]
pub fn spin_hint() {
    // SAFETY: a hint.
    unsafe { asm!("yield", options(nomem, nostack, preserves_flags)) };
}

/// A per-CPU variable's place in the template; never used itself, only as the distance to add.
#[repr(transparent)]
pub struct CpuLocal<T>(UnsafeCell<T>);

// SAFETY: the template value is never accessed through the static; `get` and `remote` decide who
// may see which CPU's copy.
unsafe impl<T> Sync for CpuLocal<T> {}

impl<T: 'static> CpuLocal<T> {
    /// # Safety
    /// The static must be placed in `.percpu`: see [`crate::cpu_local!`].
    #[doc(hidden)]
    pub const unsafe fn new(template: T) -> Self {
        CpuLocal(UnsafeCell::new(template))
    }

    #[inline]
    pub(crate) fn here(&'static self) -> *const T {
        self.displaced(offset_here())
    }

    #[inline]
    pub(crate) fn at(&'static self, cpu: CpuId) -> *const T {
        let offset = OFFSETS[cpu.index()].load(Ordering::Acquire);
        assert!(
            offset != ABSENT,
            "per-CPU access to a CPU that was never set up"
        );
        self.displaced(offset)
    }

    #[inline]
    fn displaced(&'static self, offset: usize) -> *const T {
        core::ptr::with_exposed_provenance((&raw const self.0).addr().wrapping_add(offset))
    }
}

/// Distance from the template to this CPU's area. Not `pure`: it changes when the thread moves.
#[inline]
fn offset_here() -> usize {
    let offset: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, tpidr_el1", out(reg) offset, options(nomem, nostack, preserves_flags)) };
    offset
}

cpu_local! {
    /// The number of the CPU whose area this is.
    static CPU: AtomicU16 = AtomicU16::new(0);
}

#[inline]
pub fn current() -> CpuId {
    CpuId::again(CPU.any().load(Ordering::Relaxed))
}

const ABSENT: usize = usize::MAX;

/// Every CPU's distance, for remote access. Published (Release) by `publish`, read (Acquire) in `at`.
static OFFSETS: [AtomicUsize; MAX_CPUS] = [const { AtomicUsize::new(ABSENT) }; MAX_CPUS];

unsafe extern "C" {
    static __percpu_start: u8;
    static __percpu_end: u8;
}

/// Start and length of the template.
pub fn template() -> (*const u8, usize) {
    let (start, end) = (&raw const __percpu_start, &raw const __percpu_end);
    (start, end.addr() - start.addr())
}

/// Tells everyone where the area of `cpu` is, a fresh copy of the template.
pub fn publish(cpu: CpuId, base: *mut u8) {
    let offset = base.expose_provenance().wrapping_sub(template().0.addr());
    OFFSETS[cpu.index()].store(offset, Ordering::Release);
    CPU.remote(cpu).store(cpu.index() as u16, Ordering::Relaxed);
}

pub fn is_present(cpu: CpuId) -> bool {
    OFFSETS[cpu.index()].load(Ordering::Acquire) != ABSENT
}

/// # Safety
/// See [`crate::set_base`].
pub unsafe fn load_base(cpu: CpuId) {
    let offset = OFFSETS[cpu.index()].load(Ordering::Acquire);
    assert!(offset != ABSENT, "set_base before init_area");
    // SAFETY: the area is initialised; the register is ours (EL1).
    unsafe { asm!("msr tpidr_el1, {}", in(reg) offset, options(nostack, preserves_flags)) };
}
