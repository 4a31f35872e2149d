//! Where a CPU's time goes: the exception paths report each change of mode here.
//!
//! Each call reads the clock once and charges the time since the last report to the class that
//! ends. IRQs must be masked. Unpaired calls are harmless: the time is charged to the wrong
//! class for one interval, never lost.

use crate::runtime::runtime;

/// What a CPU is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TimeClass {
    System = 0,
    User = 1,
    Irq = 2,
    Idle = 3,
}

impl TimeClass {
    pub(crate) fn from_index(index: u32) -> Self {
        [Self::System, Self::User, Self::Irq, Self::Idle][index as usize & 3]
    }
}

/// About to return to user mode.
#[inline]
pub fn enter_user() {
    runtime().enter_class(TimeClass::User);
}

/// Entered the kernel from user mode (a system call or a fault).
#[inline]
pub fn enter_kernel() {
    runtime().enter_class(TimeClass::System);
}

/// Entered an interrupt handler; give the result back to [`leave_irq`].
#[inline]
#[must_use = "leave_irq needs the interrupted class"]
pub fn enter_irq() -> TimeClass {
    runtime().enter_class(TimeClass::Irq)
}

/// Leaving the handler for whatever it interrupted.
#[inline]
pub fn leave_irq(interrupted: TimeClass) {
    runtime().enter_class(interrupted);
}
