//! AArch64 at EL1: everything that names a register or an instruction.

pub mod cpu;
pub mod gic;
pub mod mmu;
pub mod psci;
pub mod timer;
pub mod user_state;
pub mod usercopy;
