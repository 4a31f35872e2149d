//! Clocks in nanoseconds: the architecture's counter, which costs no system call, and the kernel's.
//!
//! Under QEMU's `-icount shift=0` one executed instruction is one nanosecond, so that the counter
//! counts instructions there. Its step bounds the resolution (16 ns in QEMU).

use nix::time::{ClockId, clock_gettime};

/// The counter: nanoseconds since some point in the past.
#[cfg(target_arch = "aarch64")]
#[inline]
pub fn now() -> u64 {
    let (ticks, frequency): (u64, u64);
    // SAFETY: EL0 may read the virtual counter; `isb` keeps it from being read early
    // (Arm ARM, D11.1.2).
    unsafe {
        core::arch::asm!("isb", "mrs {}, cntvct_el0", "mrs {}, cntfrq_el0",
            out(reg) ticks, out(reg) frequency, options(nostack));
    }
    (u128::from(ticks) * 1_000_000_000 / u128::from(frequency)) as u64
}

/// The same on a computer that only tries the programs.
#[cfg(not(target_arch = "aarch64"))]
pub fn now() -> u64 {
    monotonic()
}

/// What the kernel says (CLOCK_MONOTONIC).
pub fn monotonic() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| {
        time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
    })
}
