//! The host's twin: every thread is a CPU of its own while it lives.
//!
//! A thread gets the highest free number the first time it needs one and gives it back when it
//! ends; tests that want a certain number use [`on_cpu`]. Values are made on first use and stay
//! (they are per CPU, not per thread), so a variable behaves as on the target.

use crate::{CpuId, MAX_CPUS};
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::boxed::Box;
use std::sync::{Condvar, Mutex, PoisonError};

std::thread_local! {
    static MASKED: Cell<bool> = const { Cell::new(false) };
    static HERE: Claim = Claim::highest_free();
    static OVERRIDE: Cell<Option<CpuId>> = const { Cell::new(None) };
}

pub fn irq_mask() -> bool {
    !MASKED.replace(true)
}

pub fn irq_mask_only() {
    MASKED.set(true);
}

pub fn irq_unmask() {
    MASKED.set(false);
}

pub fn irq_is_masked() -> bool {
    MASKED.get()
}

/// The other thread may not be running at all: let it.
pub fn spin_hint() {
    std::thread::yield_now();
}

static CLAIMED: Mutex<[bool; MAX_CPUS]> = Mutex::new([false; MAX_CPUS]);
/// Whether somebody ever was this CPU.
static PRESENT: [AtomicBool; MAX_CPUS] = [const { AtomicBool::new(false) }; MAX_CPUS];
static RELEASED: Condvar = Condvar::new();

/// A CPU number held by one thread. The mutex passes the CPU's values on from holder to holder.
struct Claim(CpuId);

impl Claim {
    fn highest_free() -> Claim {
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        let index = claimed
            .iter()
            .rposition(|taken| !taken)
            .expect("more threads than MAX_CPUS");
        claimed[index] = true;
        Claim::of(CpuId::new(index))
    }

    /// The number is taken, under the mutex.
    fn of(cpu: CpuId) -> Claim {
        PRESENT[cpu.index()].store(true, Ordering::Release);
        Claim(cpu)
    }

    fn exactly(cpu: CpuId) -> Claim {
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        while claimed[cpu.index()] {
            claimed = RELEASED
                .wait(claimed)
                .unwrap_or_else(PoisonError::into_inner);
        }
        claimed[cpu.index()] = true;
        Claim::of(cpu)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        CLAIMED.lock().unwrap_or_else(PoisonError::into_inner)[self.0.index()] = false;
        RELEASED.notify_all();
    }
}

/// Runs `work` as CPU `cpu`, alone there: waits while another thread is that CPU.
pub fn on_cpu<R>(cpu: CpuId, work: impl FnOnce() -> R) -> R {
    struct Restore(Option<CpuId>, Option<Claim>);
    impl Drop for Restore {
        fn drop(&mut self) {
            OVERRIDE.set(self.0);
            self.1.take();
        }
    }
    assert!(!irq_is_masked(), "a pinned thread cannot change CPU");
    let claim = (current() != cpu).then(|| Claim::exactly(cpu));
    let _restore = Restore(OVERRIDE.replace(Some(cpu)), claim);
    work()
}

pub fn current() -> CpuId {
    OVERRIDE.get().unwrap_or_else(|| HERE.with(|claim| claim.0))
}

pub fn is_present(cpu: CpuId) -> bool {
    PRESENT[cpu.index()].load(Ordering::Acquire)
}

/// A per-CPU variable: its initialiser and the values made so far.
pub struct CpuLocal<T> {
    init: fn() -> T,
    values: [AtomicPtr<T>; MAX_CPUS],
}

// SAFETY: `get` and `remote` decide who may see which CPU's value.
unsafe impl<T> Sync for CpuLocal<T> {}

impl<T: 'static> CpuLocal<T> {
    #[doc(hidden)]
    pub const fn new(init: fn() -> T) -> Self {
        CpuLocal {
            init,
            values: [const { AtomicPtr::new(core::ptr::null_mut()) }; MAX_CPUS],
        }
    }

    pub(crate) fn here(&'static self) -> *const T {
        self.at(current())
    }

    pub(crate) fn at(&'static self, cpu: CpuId) -> *const T {
        let slot = &self.values[cpu.index()];
        let value = slot.load(Ordering::Acquire);
        if !value.is_null() {
            return value;
        }
        let fresh = Box::into_raw(Box::new((self.init)()));
        match slot.compare_exchange(value, fresh, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => fresh,
            Err(first) => {
                // SAFETY: `fresh` came from `Box::into_raw` and lost the race: nobody saw it.
                drop(unsafe { Box::from_raw(fresh) });
                first
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counter, cpu_local, irq};
    use core::sync::atomic::AtomicU32;

    cpu_local! {
        static PRIVATE: Cell<u32> = Cell::new(7);
        static SHARED: AtomicU32 = AtomicU32::new(7);
        static NEVER_TOUCHED: Counter = Counter::new();
    }

    #[test]
    fn each_cpu_has_its_own_value() {
        std::thread::scope(|scope| {
            for index in 0..4 {
                scope.spawn(move || {
                    on_cpu(CpuId::new(index), || {
                        let masked = irq::mask();
                        assert_eq!(masked.cpu().index(), index);
                        PRIVATE.get(&masked).set(index as u32);
                        SHARED.get(&masked).store(index as u32, Ordering::Relaxed);
                        assert_eq!(PRIVATE.get(&masked).get(), index as u32);
                    })
                });
            }
        });
        for index in 0..4 {
            let value = SHARED.remote(CpuId::new(index)).load(Ordering::Relaxed);
            assert_eq!(value, index as u32);
        }
        assert_eq!(SHARED.remote(CpuId::new(9)).load(Ordering::Relaxed), 7);
        assert_eq!(NEVER_TOUCHED.sum(), 0);
    }

    #[test]
    fn threads_are_different_cpus() {
        let here = current();
        let there = std::thread::spawn(current).join().unwrap();
        assert_ne!(here, there);
        assert_eq!(here, current());
    }
}
