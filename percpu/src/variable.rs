//! Declaring per-CPU variables, and which proof opens which kind.

use crate::{CpuLocal, IrqGuard, Pinned, PreemptGuard};

/// Declares per-CPU variables: one value per processor, each starting as the (constant) initialiser.
///
/// ```
/// use core::{cell::Cell, sync::atomic::{AtomicU64, Ordering}};
/// percpu::cpu_local! {
///     /// Private: only its own CPU, interrupts masked.
///     static DEPTH: Cell<u32> = Cell::new(0);
///     /// Shared: other CPUs look too.
///     pub static FAULTS: AtomicU64 = AtomicU64::new(0);
/// }
/// let masked = percpu::irq::mask();
/// DEPTH.get(&masked).set(1);
/// FAULTS.get(&masked).fetch_add(1, Ordering::Relaxed);
/// assert_eq!(FAULTS.remote(masked.cpu()).load(Ordering::Relaxed), 1);
/// ```
#[macro_export]
macro_rules! cpu_local {
    ($($(#[$meta:meta])* $visibility:vis static $name:ident: $type:ty = $init:expr;)*) => {$(
        $(#[$meta])*
        #[cfg_attr(target_os = "none", unsafe(link_section = ".percpu"))]
        $visibility static $name: $crate::CpuLocal<$type> = $crate::__cpu_local_new!($type, $init);
    )*};
}

/// Builds the slot: the value itself on the target, its constructor on the host.
#[doc(hidden)]
#[macro_export]
#[cfg(target_os = "none")]
macro_rules! __cpu_local_new {
    ($type:ty, $init:expr) => {{
        // SAFETY: the only caller places the slot in `.percpu`.
        unsafe { $crate::CpuLocal::new($init) }
    }};
}

#[doc(hidden)]
#[macro_export]
#[cfg(not(target_os = "none"))]
macro_rules! __cpu_local_new {
    ($type:ty, $init:expr) => {{
        fn init() -> $type {
            // Constant as on the target, where it is the linker that makes the first copy.
            const { $init }
        }
        $crate::CpuLocal::new(init)
    }};
}

/// Proofs that open a per-CPU variable of type `T` on this CPU.
///
/// With interrupts masked nothing else runs here, so any `T` will do (`Cell`, `RefCell`). With only
/// preemption off an interrupt handler may touch the same variable at any moment, which to the
/// language is another thread: then `T` must be `Sync`.
///
/// # Safety
/// Implementors promise exactly that.
pub unsafe trait Access<T> {}

// SAFETY: interrupts are masked: one user at a time, though over time different threads (`Send`).
unsafe impl<T: Send> Access<T> for IrqGuard {}
// SAFETY: pinned, and `T` may be shared.
unsafe impl<T: Sync> Access<T> for PreemptGuard {}
// SAFETY: pinned, and `T` may be shared.
unsafe impl<T: Sync> Access<T> for Pinned {}

impl<T: 'static> CpuLocal<T> {
    /// This CPU's value.
    #[inline]
    pub fn get<'a, P: Access<T>>(&'static self, _proof: &'a P) -> &'a T {
        // SAFETY: the slot is initialised for every CPU that runs; the proof keeps this thread on
        // this CPU for 'a and says that sharing is as `T` allows.
        unsafe { &*self.here() }
    }

    /// The value of whichever CPU this happens to be: for statistics, where any CPU will do.
    #[inline]
    pub fn any(&'static self) -> &'static T
    where
        T: Sync,
    {
        // SAFETY: slots live for ever and `T` may be shared, so a change of CPU does no harm.
        unsafe { &*self.here() }
    }

    /// Another CPU's value. Panics if that CPU was never set up.
    #[inline]
    pub fn remote(&'static self, cpu: crate::CpuId) -> &'static T
    where
        T: Sync,
    {
        // SAFETY: slots live for ever and `T` may be shared.
        unsafe { &*self.at(cpu) }
    }
}
