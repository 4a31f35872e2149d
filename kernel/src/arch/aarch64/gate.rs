//! What a CPU needs at each entry from user mode and each return to it, in one place.

use core::arch::asm;
use core::cell::Cell;
use percpu::{IrqGuard, cpu_local};
use smp::Doorway;

/// One CPU's, IRQs masked.
pub struct Gate {
    doorway: Cell<Option<Doorway>>,
    /// The [`FpState`](super::user_state::FpState) whose values the FP/SIMD registers hold (its
    /// address); 0: no one's.
    pub fp_owner: Cell<usize>,
    /// User mode may use them: they are the current thread's. Mirrors CPACR_EL1.
    fp_open: Cell<bool>,
}

/// CPACR_EL1.FPEN (Arm ARM D19.2.30): FP/SIMD traps in user mode only, as at boot; or nowhere.
const FP_AT_EL0: u64 = 1 << 20;
const FP_NEVER: u64 = 3 << 20;

/// Takes effect when the exception returns: the kernel's own accesses trap never.
fn set_fp_traps(value: u64) {
    // SAFETY: what user mode may use; the kernel is compiled without FP/SIMD.
    unsafe { asm!("msr cpacr_el1, {}", in(reg) value, options(nostack, preserves_flags)) };
}

cpu_local! {
    static GATE: Gate = Gate { doorway: Cell::new(None), fp_owner: Cell::new(0), fp_open: Cell::new(false) };
}

/// Lets the calling CPU go to user mode: before its first user thread.
pub fn open(doorway: Doorway) {
    let masked = percpu::irq::mask();
    here(&masked).doorway.set(Some(doorway));
}

/// The calling CPU's.
#[inline(always)]
pub fn here(masked: &IrqGuard) -> &Gate {
    GATE.get(masked)
}

impl Gate {
    /// # Safety
    /// The CPU runs user threads: [`open`] was called.
    #[inline(always)]
    pub unsafe fn doorway(&self) -> Doorway {
        // SAFETY: says the caller.
        unsafe { self.doorway.get().unwrap_unchecked() }
    }

    #[inline(always)]
    pub fn fp_is_open(&self) -> bool {
        self.fp_open.get()
    }

    /// Lets user mode use FP/SIMD.
    pub fn open_fp(&self) {
        if !self.fp_open.replace(true) {
            set_fp_traps(FP_NEVER);
        }
    }

    /// Lets FP/SIMD trap in user mode.
    #[inline(always)]
    pub fn shut_fp(&self) {
        if self.fp_open.get() {
            self.fp_open.set(false);
            set_fp_traps(FP_AT_EL0);
        }
    }
}
