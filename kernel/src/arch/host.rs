//! The host twin: enough of the architecture's names for unit tests of the portable kernel.
//!
//! "User memory" is the test's own memory, so tests pass real pointers.

use super::FpRegisters;
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};

/// HWCAP words, as in the auxiliary vector (getauxval(3)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    pub hwcap: u64,
    pub hwcap2: u64,
}

pub fn features() -> Features {
    Features::default()
}

/// Counts calls: tests that need real time use `std`.
pub fn now_ns() -> u64 {
    static NOW: AtomicU64 = AtomicU64::new(0);
    NOW.fetch_add(1, Ordering::Relaxed)
}

/// See `aarch64::stack`: the host's stacks are nobody's.
pub fn owner() -> usize {
    0
}

/// A counter of 1 GHz.
pub fn ns_per_tick() -> u64 {
    1 << 32
}

/// The counter behind [`now_ns`].
pub fn ticks() -> u64 {
    now_ns()
}

pub fn ticks_at(now_ns: u64) -> u64 {
    now_ns
}

pub fn ticks_to_ns(ticks: u64) -> u64 {
    ticks
}

pub fn ticks_per_second() -> u64 {
    1_000_000_000
}

pub mod vdso {
    //! See `aarch64::vdso`: nobody runs it here.

    pub fn image() -> &'static [u8] {
        &[]
    }

    pub fn sigreturn() -> usize {
        0
    }
}

/// See `aarch64::user_state`.
#[derive(Default)]
pub struct FpState(Cell<FpRegisters>);

// SAFETY: tests use a thread's state from that thread only.
unsafe impl Sync for FpState {}

impl FpState {
    pub const fn new() -> Self {
        Self(Cell::new(FpRegisters {
            v: [0; 32],
            fpsr: 0,
            fpcr: 0,
        }))
    }

    pub fn inspect<R>(&self, look: impl FnOnce(&FpRegisters) -> R) -> R {
        look(&self.0.get())
    }

    pub fn change(&self, change: impl FnOnce(&mut FpRegisters)) {
        let mut registers = self.0.get();
        change(&mut registers);
        self.0.set(registers);
    }
}

/// See `aarch64::user_state`.
#[derive(Default)]
pub struct UserState {
    pub fp: FpState,
    tls: AtomicU64,
}

impl UserState {
    pub const fn new() -> Self {
        Self {
            fp: FpState::new(),
            tls: AtomicU64::new(0),
        }
    }

    pub fn tls(&self) -> u64 {
        self.tls.load(Ordering::Relaxed)
    }

    pub fn set_tls(&self, value: u64) {
        self.tls.store(value, Ordering::Relaxed);
    }

    pub fn refresh(&self) -> u64 {
        self.tls()
    }

    pub fn switch_out(&self, _masked: &percpu::IrqGuard) {}

    pub fn switch_in(&self, _masked: &percpu::IrqGuard) {}

    pub fn open_fp(&self) {}
}

/// See `aarch64::random`.
pub fn random_word() -> Option<u64> {
    None
}

/// There is no user mode here: tests never get this far.
pub fn enter_user_mode(_registers: &mut super::TrapFrame) -> ! {
    unreachable!("the host has no user mode")
}

/// There is no machine to end.
pub fn end(how: impl core::fmt::Debug) -> ! {
    panic!("the host's machine is not ours to end: {how:?}")
}

/// See `aarch64::control`: threads of the host need no interrupt to look again.
pub fn interrupt_cpu(_cpu: percpu::CpuId) {}

pub fn request_barrier(_cpu: percpu::CpuId) {
    crate::process::membarrier::answer();
}

pub mod usercopy {
    //! Plain copies, refusing the first page, as a kernel would.

    use core::sync::atomic::{AtomicU32, Ordering};

    /// The user address could not be accessed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BadAddress;

    fn check(address: usize) -> Result<(), BadAddress> {
        if address < 4096 {
            Err(BadAddress)
        } else {
            Ok(())
        }
    }

    /// # Safety
    /// `to` must be valid for `length` writes; on the host `from` must be real memory too.
    pub unsafe fn copy_from_user(
        to: *mut u8,
        from: usize,
        length: usize,
    ) -> Result<(), BadAddress> {
        if length > 0 {
            check(from)?;
            // SAFETY: the caller's promise.
            unsafe { core::ptr::copy_nonoverlapping(from as *const u8, to, length) };
        }
        Ok(())
    }

    /// # Safety
    /// `from` must be valid for `length` reads; on the host `to` must be real memory too.
    pub unsafe fn copy_to_user(
        to: usize,
        from: *const u8,
        length: usize,
    ) -> Result<(), BadAddress> {
        if length > 0 {
            check(to)?;
            // SAFETY: the caller's promise.
            unsafe { core::ptr::copy_nonoverlapping(from, to as *mut u8, length) };
        }
        Ok(())
    }

    /// # Safety
    /// On the host `to` must be real memory.
    pub unsafe fn zero_user(to: usize, length: usize) -> Result<(), BadAddress> {
        if length > 0 {
            check(to)?;
            // SAFETY: the caller's promise.
            unsafe { core::ptr::write_bytes(to as *mut u8, 0, length) };
        }
        Ok(())
    }

    /// # Safety
    /// `address` must be aligned and below the end of user space; real memory on the host.
    pub unsafe fn load_u32(address: usize) -> Result<u32, BadAddress> {
        check(address)?;
        // SAFETY: the caller's promise.
        Ok(unsafe { AtomicU32::from_ptr(address as *mut u32) }.load(Ordering::SeqCst))
    }

    /// Stores `new` if the word is `old`; returns what was there.
    ///
    /// # Safety
    /// As for [`load_u32`].
    pub unsafe fn compare_exchange_u32(
        address: usize,
        old: u32,
        new: u32,
    ) -> Result<u32, BadAddress> {
        check(address)?;
        // SAFETY: the caller's promise.
        let word = unsafe { AtomicU32::from_ptr(address as *mut u32) };
        Ok(word
            .compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst)
            .unwrap_or_else(|found| found))
    }
}
