//! What a CPU needs at each entry from user mode and each return to it, in one place.

use core::cell::Cell;
use percpu::{IrqGuard, cpu_local};
use smp::Doorway;

/// One CPU's, IRQs masked.
pub struct Gate {
    doorway: Cell<Option<Doorway>>,
    /// The [`FpState`](super::user_state::FpState) whose values the FP/SIMD registers hold (its
    /// address); 0: no one's.
    pub fp_owner: Cell<usize>,
}

cpu_local! {
    static GATE: Gate = Gate { doorway: Cell::new(None), fp_owner: Cell::new(0) };
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
}
