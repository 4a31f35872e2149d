//! The clock of every row: the architecture's counter, read without a system call.
//!
//! Under QEMU's `-icount shift=0` one executed instruction is one nanosecond, so that the same
//! number counts instructions there. The counter's step bounds the resolution (16 ns in QEMU).

/// Nanoseconds since some point in the past.
#[cfg(target_arch = "aarch64")]
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

/// The same on a computer that only tries the program.
#[cfg(not(target_arch = "aarch64"))]
pub fn now() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| {
        time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
    })
}

/// How long `work` takes, in nanoseconds.
pub fn time(work: impl FnOnce()) -> u64 {
    let start = now();
    work();
    now() - start
}
