//! Switching preemption off on this CPU while interrupts stay on.
//!
//! One word per CPU holds the nesting count and, inverted in the top bit, a pending request: the
//! word is zero exactly when a preemption is asked for and allowed, so the drop path is one test.
//! The scheduler installs the hook, calls [`request`] when it wants this CPU back, and
//! [`clear_request`] when it has looked.

use crate::{IrqGuard, Pinned, cpu_local, irq};
use core::cell::Cell;
use core::marker::PhantomData;
use core::ops::Deref;
use core::sync::atomic::{AtomicPtr, Ordering};

const NOT_REQUESTED: u32 = 1 << 31;

cpu_local! {
    static WORD: Cell<u32> = Cell::new(NOT_REQUESTED);
}

/// No preemption on this CPU until this is dropped. Interrupt handlers still run.
#[must_use = "preemption is allowed again when the guard is dropped"]
pub struct PreemptGuard {
    _not_send: PhantomData<*const ()>,
}

/// Switches preemption off.
pub fn disable() -> PreemptGuard {
    // Masked, because a thread that lost its CPU between reading the base and adding would count
    // on the wrong CPU.
    let masked = irq::mask();
    let word = WORD.get(&masked);
    word.set(word.get() + 1);
    PreemptGuard {
        _not_send: PhantomData,
    }
}

/// Whether a preemption would be allowed now: the count is zero and interrupts are on.
pub fn is_enabled() -> bool {
    let masked = irq::mask();
    masked.is_outermost() && count(&masked) == 0
}

/// How many guards are held on this CPU. What the interrupt-exit path asks before it preempts.
pub fn count(masked: &IrqGuard) -> u32 {
    WORD.get(masked).get() & !NOT_REQUESTED
}

/// Asks for a preemption of this CPU as soon as it is allowed again.
pub fn request(masked: &IrqGuard) {
    let word = WORD.get(masked);
    word.set(word.get() & !NOT_REQUESTED);
}

/// Takes the request back: the scheduler is looking now.
pub fn clear_request(masked: &IrqGuard) {
    let word = WORD.get(masked);
    word.set(word.get() | NOT_REQUESTED);
}

/// Whether a preemption is requested and no guard stands against it.
#[inline]
pub fn is_due(masked: &IrqGuard) -> bool {
    WORD.get(masked).get() == 0
}

static HOOK: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Installs what runs when preemption becomes allowed and a request is pending. It runs with
/// interrupts on, must check for itself whether there is something to do, and may switch threads.
pub fn set_hook(hook: fn()) {
    HOOK.store(hook as *mut (), Ordering::Release);
}

#[cold]
pub(crate) fn run_hook() {
    let hook = HOOK.load(Ordering::Acquire);
    if !hook.is_null() {
        // SAFETY: only `set_hook` stores here, and it stores a `fn()`.
        let hook: fn() = unsafe { core::mem::transmute(hook) };
        hook();
    }
}

impl Deref for PreemptGuard {
    type Target = Pinned;

    #[inline]
    fn deref(&self) -> &Pinned {
        // SAFETY: the scheduler does not preempt while the count is not zero; the reference is
        // bound to the guard's lifetime.
        unsafe { Pinned::assume() }
    }
}

impl Drop for PreemptGuard {
    fn drop(&mut self) {
        let masked = irq::mask();
        let word = WORD.get(&masked);
        word.set(word.get() - 1);
        // Dropping `masked` runs the hook if the word has become zero.
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicUsize;

    #[test]
    fn a_request_waits_for_the_last_guard() {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        fn hook() {
            assert!(!irq::is_masked());
            clear_request(&irq::mask());
            CALLS.fetch_add(1, Ordering::Relaxed);
        }
        set_hook(hook);
        let calls = || CALLS.load(Ordering::Relaxed);

        assert!(is_enabled());
        let outer = disable();
        let inner = disable();
        assert!(!is_enabled());
        request(&irq::mask());
        assert_eq!(calls(), 0);
        drop(inner);
        assert_eq!(calls(), 0);
        drop(outer);
        assert_eq!(calls(), 1);

        // With interrupts masked the request waits for them.
        let masked = irq::mask();
        request(&masked);
        drop(disable());
        assert_eq!(calls(), 1);
        drop(masked);
        assert_eq!(calls(), 2);
        drop(disable());
        assert_eq!(calls(), 2);
    }
}
