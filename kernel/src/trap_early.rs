//! What happens between user mode and the rest of the kernel, until there are processes.

use crate::arch::{Fault, TrapFrame};

/// A system call from user mode. IRQs unmasked.
pub fn user_syscall(frame: &mut TrapFrame) {
    frame.set_result(crate::error::Errno::ENOSYS.as_return());
}

/// Any other synchronous exception from user mode. IRQs unmasked.
pub fn user_fault(frame: &mut TrapFrame, fault: Fault) {
    panic!("user fault {fault:x?} at {:#x}", frame.pc);
}

/// A user copy in the kernel met `fault`: whether the address is accessible now. IRQs unmasked.
pub fn resolve_user_fault(_fault: Fault) -> bool {
    false
}

/// The last stop before user mode. IRQs masked on entry and on return; may unmask in between.
pub fn before_user_return(_frame: &mut TrapFrame) {
    smp::preempt_if_needed();
}
