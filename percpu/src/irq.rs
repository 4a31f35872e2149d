//! Masking interrupts on this CPU.

use crate::{Pinned, arch, preempt};
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;

/// Interrupts are masked on this CPU until this is dropped; then they are as they were before.
///
/// Guards nest and must be dropped in the reverse of the order they were made (`assert`ed): an
/// outer guard dropped first would unmask under the inner one.
#[must_use = "interrupts are unmasked again when the guard is dropped"]
pub struct IrqGuard {
    were_unmasked: bool,
    _not_send: PhantomData<*const ()>,
}

/// Masks interrupts.
#[inline]
pub fn mask() -> IrqGuard {
    IrqGuard {
        were_unmasked: arch::irq_mask(),
        _not_send: PhantomData,
    }
}

/// Whether interrupts are masked now.
#[inline]
pub fn is_masked() -> bool {
    arch::irq_is_masked()
}

/// Unmasks interrupts without a guard: the first unmasking of a CPU or of a new thread, and the
/// idle loop.
///
/// # Safety
/// No [`IrqGuard`] and no spin lock may be held on this CPU.
#[inline]
pub unsafe fn unmask() {
    arch::irq_unmask();
}

/// Masks interrupts without a guard: exception entry, the idle loop, panic.
#[inline]
pub fn mask_for_good() {
    arch::irq_mask_only();
}

impl IrqGuard {
    /// The proof, for code that the hardware entered with interrupts masked. Dropping nothing, it
    /// costs nothing.
    ///
    /// # Safety
    /// Interrupts are masked and stay so for as long as the result is used.
    #[inline(always)]
    pub unsafe fn assume() -> ManuallyDrop<IrqGuard> {
        ManuallyDrop::new(IrqGuard {
            were_unmasked: false,
            _not_send: PhantomData,
        })
    }

    /// Whether dropping this guard will unmask interrupts: it is the outermost one, and not taken
    /// inside an interrupt handler.
    pub fn is_outermost(&self) -> bool {
        self.were_unmasked
    }
}

impl Deref for IrqGuard {
    type Target = Pinned;

    #[inline]
    fn deref(&self) -> &Pinned {
        // SAFETY: with interrupts masked nothing preempts this thread; the reference is bound to
        // the guard's lifetime.
        unsafe { Pinned::assume() }
    }
}

impl Drop for IrqGuard {
    #[inline]
    fn drop(&mut self) {
        assert!(arch::irq_is_masked(), "IRQ guards dropped out of order");
        if self.were_unmasked {
            let preempt = preempt::is_due(self);
            arch::irq_unmask();
            if preempt {
                preempt::run_hook();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_nest() {
        assert!(!is_masked());
        let outer = mask();
        let inner = mask();
        assert!(outer.is_outermost() && !inner.is_outermost());
        drop(inner);
        assert!(is_masked());
        drop(outer);
        assert!(!is_masked());
    }

    #[test]
    #[should_panic(expected = "out of order")]
    fn crossed_guards_are_caught() {
        let outer = mask();
        let inner = mask();
        drop(outer);
        drop(inner);
    }
}
