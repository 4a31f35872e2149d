//! Exceptions in Rust: what the vectors call, sorted by origin and class, handed upwards.
//!
//! Everything is masked on entry and must be masked again on return. The syndrome is already in
//! the frame, so a nested exception cannot spoil it.

use super::usercopy;
use super::{gate, timer};
use crate::arch::{Fault, FaultClass, TrapFrame};
use crate::{irq, panic, process, selftest, trap};
use percpu::IrqGuard;
use smp::account::TimeClass;

fn fault_of(frame: &TrapFrame) -> Fault {
    Fault {
        esr: frame.esr,
        far: untagged(frame.far),
    }
}

/// User addresses without the tag in their top byte, which the hardware ignores (TBI).
fn untagged(address: u64) -> u64 {
    const KERNEL_HALF: u64 = 1 << 55;
    if address & KERNEL_HALF == 0 {
        address & (u64::MAX >> 8)
    } else {
        address
    }
}

fn unmask() {
    // SAFETY: exception entry holds no guard and no lock.
    unsafe { percpu::irq::unmask() };
}

#[unsafe(no_mangle)]
extern "C" fn weft_user_synchronous(frame: &mut TrapFrame) {
    account_for_user();
    unmask();
    if frame.is_system_call() {
        trap::user_syscall(frame);
        leave_to_user(frame);
    } else {
        process::interrupted(|| {
            trap::user_fault(frame, fault_of(frame));
            leave_to_user(frame);
        });
    }
}

#[unsafe(no_mangle)]
extern "C" fn weft_user_irq(frame: &mut TrapFrame) {
    irq::handle();
    account_for_user();
    process::interrupted(|| leave_to_user(frame));
}

/// FIQ, SError and AArch32 from user mode: nothing this kernel lets happen in normal operation.
#[unsafe(no_mangle)]
extern "C" fn weft_user_unexpected(frame: &mut TrapFrame) {
    account_for_user();
    unmask();
    trap::user_fault(
        frame,
        Fault {
            esr: 0,
            far: frame.pc,
        },
    );
    leave_to_user(frame);
}

/// The way in: what has passed was user time. Exceptions masked.
#[inline(always)]
fn account_for_user() {
    // SAFETY: masked, as the vector was entered; a user thread ran, so the gate is open.
    unsafe {
        let masked = IrqGuard::assume();
        let doorway = gate::here(&masked).doorway();
        doorway.enter_kernel(timer::now_ns());
    }
}

/// The way out.
#[inline(always)]
fn leave_to_user(frame: &mut TrapFrame) {
    percpu::irq::mask_for_good();
    if !try_leave() {
        trap::before_user_return(frame);
        account_for_system();
    }
}

/// Leaves at once if nothing stands between the thread and user mode: nobody wants the CPU, there is
/// nothing to attend to.
#[inline(always)]
fn try_leave() -> bool {
    // SAFETY: masked since `leave_to_user`; a user thread runs, so the gate is open.
    unsafe {
        let masked = IrqGuard::assume();
        let gate = gate::here(&masked);
        let doorway = gate.doorway();
        if doorway.is_wanted() || !process::is_undisturbed() {
            return false;
        }
        doorway.enter_user(timer::now_ns());
        true
    }
}

/// The end of the way out on the CPU that this has become: what has passed was system time.
#[cold]
fn account_for_system() {
    // SAFETY: as in `try_leave`.
    unsafe {
        let masked = IrqGuard::assume();
        let doorway = gate::here(&masked).doorway();
        doorway.enter_user(timer::now_ns());
    }
}

/// A new user thread's way from its kernel-mode entry function to user mode. The kernel stack
/// below is given up.
pub fn enter_user_mode(frame: &mut TrapFrame) -> ! {
    unsafe extern "C" {
        fn weft_return_to_user();
    }
    leave_to_user(frame);
    // SAFETY: exceptions are masked; SP moves up to the frame, which RESTORE_FRAME reads; nothing
    // on this stack is used again.
    unsafe {
        core::arch::asm!(
            "mov sp, {frame}",
            "b {resume}",
            frame = in(reg) frame,
            resume = sym weft_return_to_user,
            options(noreturn)
        )
    }
}

#[unsafe(no_mangle)]
extern "C" fn weft_kernel_irq(_frame: &mut TrapFrame) {
    let interrupted = irq::handle();
    if interrupted != TimeClass::Idle {
        smp::preempt_if_needed();
    }
}

/// A fault in the kernel: in a user copy it may be resolved or fixed up; any other is a bug.
#[unsafe(no_mangle)]
extern "C" fn weft_kernel_synchronous(frame: &mut TrapFrame) {
    let fault = fault_of(frame);
    let fixup = if fault.class() == FaultClass::DataAbort {
        usercopy::fixup(frame.pc)
    } else {
        None
    };
    let Some(fixup) = fixup else {
        panic::exception("kernel fault", frame);
    };
    if !may_resolve(frame, fault) {
        frame.pc = fixup;
        return;
    }
    unmask();
    if !trap::resolve_user_fault(fault) {
        frame.pc = fixup;
    }
    percpu::irq::mask_for_good();
}

/// Bringing a page in may sleep: not for an address that is not the user's, and not for a copy
/// made with IRQs masked (none should be).
fn may_resolve(frame: &TrapFrame, fault: Fault) -> bool {
    const IRQS_MASKED: u64 = 1 << 7;
    frame.pstate & IRQS_MASKED == 0 && fault.far >> 48 == 0
}

#[unsafe(no_mangle)]
extern "C" fn weft_kernel_unexpected(frame: &mut TrapFrame) -> ! {
    panic::exception("unexpected exception (FIQ, SError or SP_EL0)", frame)
}

#[unsafe(no_mangle)]
extern "C" fn weft_stack_overflow(frame: &mut TrapFrame) -> ! {
    if selftest::overflow_was_wanted() {
        smp::exit();
    }
    panic::exception("kernel stack overflow", frame)
}
