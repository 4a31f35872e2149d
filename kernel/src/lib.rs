//! The Weft kernel as a library: everything but the entry point, so that what does not touch
//! hardware is tested on the host. `arch` is the only module with two implementations.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod arch;
#[cfg(target_os = "none")]
pub mod boot;
#[cfg(all(feature = "chaos", target_os = "none"))]
mod chaos;
pub mod console;
#[cfg(target_os = "none")]
pub mod drivers;
pub mod error;
pub mod fs;
#[cfg(target_os = "none")]
mod hotplug;
pub mod irq;
pub mod machine;
#[cfg(target_os = "none")]
mod panic;
pub mod power;
pub mod process;
pub mod random;
#[cfg(target_os = "none")]
pub mod report;
#[cfg(target_os = "none")]
mod sched;
#[cfg(target_os = "none")]
mod selftest;
pub mod socket;
#[cfg(target_os = "none")]
mod standby;
pub mod symbols;
pub mod syscall;
pub mod time;
pub mod trace;
pub mod trap;
pub mod tty;
pub mod user_memory;
pub mod wait;

#[cfg(target_os = "none")]
#[global_allocator]
static HEAP: mm::KernelHeap = mm::KernelHeap::new();
