//! The atomics shim: `core` atomics in the kernel, loom's under `--cfg loom`, shuttle's under
//! `--cfg shuttle`.
//!
//! All scheduler protocol code takes its atomics, fences and cells from here, so that the models
//! run the very code the kernel runs. Statistics counters stay plain `core` atomics: no
//! decision depends on them, and a modelled counter would only slow the search.

#[cfg(not(any(loom, shuttle)))]
pub use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
#[cfg(loom)]
pub use loom::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

#[cfg(shuttle)]
pub use shuttle::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

#[cfg(loom)]
pub use loom::cell::UnsafeCell;

/// A function that is `const`, except in a model: loom's atomics are not made at compile time.
macro_rules! const_fn {
    ($(#[$meta:meta])* $visibility:vis fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$meta])*
        $visibility const fn $($rest)*
        #[cfg(loom)]
        $(#[$meta])*
        $visibility fn $($rest)*
    };
}
pub(crate) use const_fn;

/// `core`'s cell with loom's closure interface: every access names its extent, which loom checks.
#[cfg(not(loom))]
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// Runs `f` with a pointer for reading.
    #[inline(always)]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Runs `f` with a pointer for reading and writing.
    #[inline(always)]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// A short lock whose callers have IRQs masked already (or never meet an IRQ handler).
///
/// Test-and-set, never FIFO: a descheduled virtual CPU in a queue would stall all behind it.
pub struct Lock<T>(Inner<T>);

#[cfg(not(any(loom, shuttle)))]
type Inner<T> = spin::mutex::SpinMutex<T, Relax>;
#[cfg(loom)]
type Inner<T> = loom::sync::Mutex<T>;
#[cfg(shuttle)]
type Inner<T> = shuttle::sync::Mutex<T>;

#[cfg(not(any(loom, shuttle)))]
pub type LockGuard<'a, T> = spin::mutex::SpinMutexGuard<'a, T, Relax>;
#[cfg(loom)]
pub type LockGuard<'a, T> = loom::sync::MutexGuard<'a, T>;
#[cfg(shuttle)]
pub type LockGuard<'a, T> = shuttle::sync::MutexGuard<'a, T>;

impl<T> Lock<T> {
    #[cfg(not(any(loom, shuttle)))]
    pub const fn new(value: T) -> Self {
        Self(Inner::new(value))
    }

    #[cfg(any(loom, shuttle))]
    pub fn new(value: T) -> Self {
        Self(Inner::new(value))
    }

    /// The value behind the lock's back: the caller knows that nobody writes it.
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) fn as_ptr(&self) -> *const T {
        self.0.as_mut_ptr()
    }

    #[cfg(not(any(loom, shuttle)))]
    pub fn lock(&self) -> LockGuard<'_, T> {
        self.0.lock()
    }

    #[cfg(any(loom, shuttle))]
    pub fn lock(&self) -> LockGuard<'_, T> {
        self.0
            .lock()
            .expect("a model thread panicked under the lock")
    }
}

/// How a spinning CPU waits: `YIELD`, without which a single-threaded emulator never switches.
#[cfg(not(any(loom, shuttle)))]
pub struct Relax;

#[cfg(not(any(loom, shuttle)))]
impl spin::RelaxStrategy for Relax {
    #[inline(always)]
    fn relax() {
        spin_hint();
    }
}

/// Tells the core (or the model) that this loop waits for another CPU.
#[inline(always)]
pub fn spin_hint() {
    #[cfg(not(any(loom, shuttle)))]
    percpu::spin_hint();
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(shuttle)]
    shuttle::thread::yield_now();
}

/// Masks this CPU's IRQs for the guard's life. Models have no IRQs.
#[cfg(not(any(loom, shuttle)))]
pub(crate) fn irqs_off() -> IrqsOff {
    percpu::irq::mask()
}

#[cfg(not(any(loom, shuttle)))]
pub(crate) type IrqsOff = percpu::IrqGuard;
#[cfg(any(loom, shuttle))]
pub(crate) struct IrqsOff;

#[cfg(any(loom, shuttle))]
pub(crate) fn irqs_off() -> IrqsOff {
    IrqsOff
}

/// Keeps the calling thread on its CPU for the guard's life.
#[cfg(not(any(loom, shuttle)))]
pub(crate) fn preempt_off() -> percpu::PreemptGuard {
    percpu::preempt::disable()
}

#[cfg(any(loom, shuttle))]
pub(crate) fn preempt_off() {}

/// The right value, or the wrong one when a model asks for this mutant.
///
/// The models prove that they can fail: each weakens one ordering, fence or step by name and
/// expects the search to find the breakage. Outside models this is the right value, at no cost.
#[cfg(not(any(loom, shuttle)))]
#[inline(always)]
pub(crate) fn mutate<T>(_name: &str, right: T, _wrong: T) -> T {
    right
}

#[cfg(any(loom, shuttle))]
pub(crate) fn mutate<T>(name: &str, right: T, wrong: T) -> T {
    if mutant::is_active(name) {
        wrong
    } else {
        right
    }
}

/// Which mutant the models of this test thread run with.
#[cfg(any(loom, shuttle))]
pub mod mutant {
    use std::cell::Cell;

    std::thread_local! {
        static ACTIVE: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// Selects `name` for the calling test; all threads of a model run on its OS thread.
    pub fn activate(name: &'static str) {
        ACTIVE.set(Some(name));
    }

    pub fn is_active(name: &str) -> bool {
        ACTIVE.get() == Some(name)
    }
}
