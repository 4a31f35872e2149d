//! The Weft kernel image. Everything is in the library; execution starts in `boot.S`, which calls
//! `kernel::boot`.
#![cfg_attr(target_os = "none", no_std, no_main)]

// Links the library in; its entry point is the linker script's.
#[cfg(target_os = "none")]
use kernel as _;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("weft is a kernel: build it for aarch64-unknown-none-softfloat");
}
