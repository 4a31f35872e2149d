//! Marks the part of a run that a profile looks at (`make profile`).
//!
//! The marks are hints that no CPU knows: they do nothing, except to the plugin
//! `qemu-configs/plugin`, which counts instructions between them.

/// Runs `work` between the marks.
pub fn around<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: unallocated hints are no-operations (Arm ARM, C6.2.126).
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!("hint #112");
    }
    let outcome = work();
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!("hint #113");
    }
    outcome
}
