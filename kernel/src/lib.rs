//! The Weft kernel as a library: everything but the entry point, so that what does not touch
//! hardware is tested on the host. `arch` is the only module with two implementations.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod arch;
pub mod error;
pub mod machine;
pub mod user_memory;
