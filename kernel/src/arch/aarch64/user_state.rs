//! What a user thread owns beside its trap frame: FP/SIMD registers and the TLS pointer.
//!
//! The kernel itself never touches FP/SIMD, so the registers keep a user thread's values until
//! another user thread's are loaded. They are saved when the thread leaves the CPU and loaded
//! before it returns to user mode, unless they are still there: it was the last to load on this
//! CPU, and has loaded nowhere since. That is found out when it is switched to, so that while a
//! user thread runs the CPU's registers are either its own or nobody's.

use super::gate::{self, Gate};
use crate::arch::FpRegisters;
use core::arch::asm;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use percpu::IrqGuard;

/// This CPU's FP/SIMD registers are about to be lost; no thread's values are in them alone, as it
/// is idle.
pub fn forget_registers() {
    gate::here(&percpu::irq::mask()).fp_owner.set(0);
}

const NOWHERE: u32 = u32::MAX;

/// The FP/SIMD registers of one user thread. Only the thread itself, or the CPU that switches
/// away from it, touches them.
pub struct FpState {
    registers: UnsafeCell<FpRegisters>,
    /// The CPU whose registers were last loaded from here, or `NOWHERE`.
    loaded_on: AtomicU32,
}

// SAFETY: by the contract of the (unsafe or current-thread-only) methods, one CPU at a time uses
// `registers`; the scheduler orders the switch-out on one CPU before the switch-in on another.
unsafe impl Sync for FpState {}
// SAFETY: plain values.
unsafe impl Send for FpState {}

impl FpState {
    pub const fn new() -> Self {
        let registers = FpRegisters {
            v: [0; 32],
            fpsr: 0,
            fpcr: 0,
        };
        Self {
            registers: UnsafeCell::new(registers),
            loaded_on: AtomicU32::new(NOWHERE),
        }
    }

    #[inline]
    fn owns_registers(&self, masked: &IrqGuard) -> bool {
        gate::here(masked).fp_owner.get() == core::ptr::from_ref(self).addr()
    }

    /// The thread starts to run on this CPU: the registers may be from before it ran elsewhere.
    #[inline]
    fn switch_in(&self, masked: &IrqGuard) {
        let here = percpu::cpu_id().index() as u32;
        if !self.owns_registers(masked) || self.loaded_on.load(Ordering::Relaxed) != here {
            gate::here(masked).fp_owner.set(0);
        }
    }

    /// Writes this CPU's registers back, if they are this, the current, thread's.
    #[inline]
    pub fn save(&self, masked: &IrqGuard) {
        if self.owns_registers(masked) {
            // SAFETY: the registers are this thread's and it is leaving this CPU: no other user
            // of `registers` exists.
            unsafe { weft_fp_save(self.registers.get()) };
        }
    }

    /// Makes this CPU's registers this, the current, thread's.
    pub fn load(&self, masked: &IrqGuard) {
        // SAFETY: this thread runs here, so nobody else uses `registers`.
        unsafe { weft_fp_load(self.registers.get()) };
        let owner = &gate::here(masked).fp_owner;
        owner.set(core::ptr::from_ref(self).addr());
        let here = percpu::cpu_id().index() as u32;
        self.loaded_on.store(here, Ordering::Relaxed);
    }

    /// Shows the current thread's registers (signal frames, fork), with IRQs masked. Only the
    /// owner may call it.
    pub fn inspect<R>(&self, look: impl FnOnce(&FpRegisters) -> R) -> R {
        let guard = percpu::irq::mask();
        self.save(&guard);
        // SAFETY: only the owner, which is here and stays, uses `registers`.
        look(unsafe { &*self.registers.get() })
    }

    /// Changes the registers (sigreturn, exec, a child before its first run), with IRQs masked.
    /// Only the owner, or whoever prepares a thread that has not run, may call it. What `change`
    /// finds may be older than the CPU's own registers: it is to replace them all.
    pub fn change(&self, change: impl FnOnce(&mut FpRegisters)) {
        let guard = percpu::irq::mask();
        // SAFETY: as the contract says, nobody else uses `registers` now.
        change(unsafe { &mut *self.registers.get() });
        if self.owns_registers(&guard) {
            gate::here(&guard).fp_owner.set(0);
        }
        self.loaded_on.store(NOWHERE, Ordering::Relaxed);
    }
}

impl Default for FpState {
    fn default() -> Self {
        Self::new()
    }
}

unsafe extern "C" {
    fn weft_fp_save(to: *mut FpRegisters);
    fn weft_fp_load(from: *const FpRegisters);
}

/// A user thread's registers that live outside its trap frame.
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

    /// The saved TLS pointer: right for a thread that is not running, or after [`Self::refresh`].
    pub fn tls(&self) -> u64 {
        self.tls.load(Ordering::Relaxed)
    }

    /// Sets the TLS pointer of a thread that will be switched to, or of the current thread
    /// before its next [`Self::switch_in`] (clone's CLONE_SETTLS, exec).
    pub fn set_tls(&self, value: u64) {
        self.tls.store(value, Ordering::Relaxed);
    }

    /// Reads the current thread's TLS register into the saved value (user code may have set it).
    pub fn refresh(&self) -> u64 {
        let value: u64;
        // SAFETY: reads a register that belongs to the current user thread.
        unsafe { asm!("mrs {}, tpidr_el0", out(reg) value, options(nostack, preserves_flags)) };
        self.set_tls(value);
        value
    }

    /// The current thread, whose state this is, leaves this CPU.
    pub fn switch_out(&self, masked: &IrqGuard) {
        self.refresh();
        self.fp.save(masked);
    }

    /// The thread whose state this is starts to run on this CPU.
    pub fn switch_in(&self, masked: &IrqGuard) {
        // SAFETY: the register belongs to the user thread being switched to.
        unsafe { asm!("msr tpidr_el0, {}", in(reg) self.tls(), options(nostack, preserves_flags)) };
        self.fp.switch_in(masked);
    }

    /// Whether the FP/SIMD registers of this CPU's current thread are in place.
    #[inline(always)]
    pub fn is_loaded(gate: &Gate) -> bool {
        gate.fp_owner.get() != 0
    }

    /// The last step before user mode, with IRQs masked: FP/SIMD registers.
    pub fn before_user_return(&self, masked: &IrqGuard) {
        if !Self::is_loaded(gate::here(masked)) {
            self.fp.load(masked);
        }
    }
}
