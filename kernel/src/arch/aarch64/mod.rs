//! AArch64 at EL1: everything that names a register or an instruction.
//!
//! Assembly is in the `.S` files beside, included by [`asm`]
//! with offsets taken from the Rust types.

mod asm;
pub mod backtrace;
pub mod control;
pub mod cpu;
pub mod early_map;
pub mod exception;
pub mod gate;
pub mod gic;
pub mod mmu;
pub mod psci;
pub mod random;
pub mod secondary;
pub mod stack;
pub mod timer;
pub mod tlb;
pub mod user_state;
pub mod usercopy;
pub mod vdso;
