//! The proof that the running thread stays on its CPU.

use crate::CpuId;
use core::marker::PhantomData;

/// Proof that the thread holding a reference to this cannot leave its CPU while it does.
///
/// Only the guards hand it out, and it cannot be sent to another thread. The one exception to the
/// promise is the scheduler's switch, which runs with interrupts masked and comes back later,
/// perhaps elsewhere: it must not use a per-CPU reference from before the switch after it.
pub struct Pinned {
    _not_send: PhantomData<*const ()>,
}

impl Pinned {
    /// Takes the caller's word.
    ///
    /// # Safety
    /// The thread must not change CPU for as long as the result is used: interrupts are masked,
    /// preemption is off, or the caller is code that by construction runs on one CPU (idle, boot).
    #[inline]
    pub const unsafe fn assume() -> &'static Pinned {
        &Pinned {
            _not_send: PhantomData,
        }
    }

    /// The CPU this thread is pinned to.
    #[inline]
    pub fn cpu(&self) -> CpuId {
        crate::area::cpu_id()
    }
}
