//! The few instructions this crate wants from the processor: filling and copying whole pages.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(not(target_arch = "aarch64"))]
mod host;

#[cfg(target_arch = "aarch64")]
pub use aarch64::{copy_page, zero_page};
#[cfg(not(target_arch = "aarch64"))]
pub use host::{copy_page, zero_page};
