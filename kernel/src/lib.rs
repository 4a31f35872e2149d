//! The Weft kernel as a library: everything but the entry point, so that what does not touch
//! hardware is tested on the host. `arch` is the only module with two implementations.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod arch;
#[cfg(target_os = "none")]
pub mod boot;
pub mod console;
pub mod error;
#[cfg(target_os = "none")]
pub mod irq;
pub mod machine;
#[cfg(target_os = "none")]
mod panic;
#[cfg(target_os = "none")]
pub mod report;
#[cfg(target_os = "none")]
mod sched;
#[cfg(target_os = "none")]
mod selftest;
pub mod symbols;
#[cfg(target_os = "none")]
#[path = "trap_early.rs"]
pub mod trap;
pub mod user_memory;

#[cfg(target_os = "none")]
#[global_allocator]
static HEAP: mm::KernelHeap = mm::KernelHeap::new();
