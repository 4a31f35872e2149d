//! Per-CPU variables, and the proofs that make them safe to touch.
//!
//! A thread may lose its CPU between any two instructions, so "this CPU's variable" only means
//! something while the thread is pinned. Here that is a value: [`IrqGuard`] (interrupts masked) and
//! [`PreemptGuard`] (no preemption) are the two ways to be pinned, and [`CpuLocal::get`] asks to
//! see one. [`cpu_local!`] declares variables; [`CpuId`] and [`CpuSet`] name processors.
//!
//! On the target a variable is a linker-section slot plus the offset in `TPIDR_EL1`; on the host
//! every thread counts as a processor of its own, so the same code runs under tests and miri.

#![no_std]

#[cfg(not(target_os = "none"))]
extern crate std;

mod arch;
mod area;
mod counter;
mod cpu_id;
mod cpu_set;
pub mod irq;
mod pinned;
pub mod preempt;
mod variable;

#[cfg(not(target_os = "none"))]
pub use arch::on_cpu;
#[cfg(target_os = "none")]
pub use arch::stack_pointer;
pub use arch::{CpuLocal, spin_hint};
#[cfg(target_os = "none")]
pub use area::{area_size, init_area, set_base};
pub use area::{cpu_id, is_present};
pub use counter::Counter;
pub use cpu_id::{CpuId, MAX_CPUS};
pub use cpu_set::{CpuSet, ParseError};
pub use irq::IrqGuard;
pub use pinned::Pinned;
pub use preempt::PreemptGuard;
pub use variable::Access;
