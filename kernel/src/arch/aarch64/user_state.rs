//! What a user thread owns beside its trap frame: FP/SIMD registers and the TLS pointer.
//!
//! The kernel itself never touches FP/SIMD, and most threads use it seldom. So a thread that comes
//! to a CPU finds FP/SIMD shut (CPACR_EL1: an access from user mode traps); its first access loads
//! its registers and opens. Only while it is open can registers change, and only then a thread that
//! leaves saves them. A trap is dear: who needed one gets its registers unasked for the next runs.

use super::gate::{self, Gate};
use crate::arch::FpRegisters;
use core::arch::asm;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use percpu::IrqGuard;

/// This CPU's FP/SIMD registers are about to be lost; no thread's values are in them alone, as it
/// is idle.
pub fn forget_registers() {
    let masked = percpu::irq::mask();
    let gate = gate::here(&masked);
    gate.shut_fp();
    gate.fp_owner.set(0);
}

/// For so many runs a thread that has used FP/SIMD counts as one that will.
const UNASKED_RUNS: u8 = 32;
const NOWHERE: u32 = u32::MAX;

/// The FP/SIMD registers of one user thread. Only the thread itself, or the CPU that switches
/// away from it, touches them.
pub struct FpState {
    /// Complete unless the thread runs and FP/SIMD is open.
    registers: UnsafeCell<FpRegisters>,
    /// The CPU whose registers were last loaded from here, or `NOWHERE`.
    loaded_on: AtomicU32,
    /// For how many runs more they are loaded unasked.
    unasked_runs: AtomicU8,
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
            unasked_runs: AtomicU8::new(0),
        }
    }

    #[inline]
    fn owns_registers(&self, gate: &Gate) -> bool {
        gate.fp_owner.get() == core::ptr::from_ref(self).addr()
    }

    /// Whether this CPU's registers are as they were left here: this was the last to be loaded on
    /// this CPU, and has been loaded nowhere since.
    fn is_loaded(&self, gate: &Gate) -> bool {
        let here = percpu::cpu_id().index() as u32;
        self.owns_registers(gate) && self.loaded_on.load(Ordering::Relaxed) == here
    }

    /// The thread starts to run on this CPU.
    #[inline(always)]
    fn switch_in(&self, masked: &IrqGuard) {
        match self.unasked_runs.load(Ordering::Relaxed) {
            0 => gate::here(masked).shut_fp(),
            left => {
                self.unasked_runs.store(left - 1, Ordering::Relaxed);
                self.load(masked);
            }
        }
    }

    /// The current thread, whose state this is, wants to use FP/SIMD.
    fn use_now(&self) {
        self.unasked_runs.store(UNASKED_RUNS, Ordering::Relaxed);
        self.load(&percpu::irq::mask());
    }

    /// Writes this CPU's registers back, if this, the current, thread may have changed them.
    #[inline(always)]
    pub fn save(&self, masked: &IrqGuard) {
        if gate::here(masked).fp_is_open() {
            // SAFETY: open, so the registers are the current thread's, and it is leaving this CPU
            // or asking for itself: no other user of `registers` exists.
            unsafe { weft_fp_save(self.registers.get()) };
        }
    }

    /// Makes this CPU's registers this, the current, thread's, and lets it use them.
    pub fn load(&self, masked: &IrqGuard) {
        let gate = gate::here(masked);
        if !self.is_loaded(gate) {
            // SAFETY: this thread runs here, so nobody else uses `registers`.
            unsafe { weft_fp_load(self.registers.get()) };
            gate.fp_owner.set(core::ptr::from_ref(self).addr());
            let here = percpu::cpu_id().index() as u32;
            self.loaded_on.store(here, Ordering::Relaxed);
        }
        gate.open_fp();
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
        self.loaded_on.store(NOWHERE, Ordering::Relaxed);
        let gate = gate::here(&guard);
        if self.owns_registers(gate) && gate.fp_is_open() {
            self.load(&guard);
        }
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
    #[inline(always)]
    pub fn switch_out(&self, masked: &IrqGuard) {
        self.refresh();
        self.fp.save(masked);
    }

    /// The thread whose state this is starts to run on this CPU.
    #[inline(always)]
    pub fn switch_in(&self, masked: &IrqGuard) {
        // SAFETY: the register belongs to the user thread being switched to.
        unsafe { asm!("msr tpidr_el0, {}", in(reg) self.tls(), options(nostack, preserves_flags)) };
        self.fp.switch_in(masked);
    }

    /// The current thread, whose state this is, met FP/SIMD shut: opens it.
    pub fn open_fp(&self) {
        self.fp.use_now();
    }
}
