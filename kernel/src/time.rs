//! Clocks: monotonic since boot, real since 1970.

use crate::process::exec::vdso;
use core::sync::atomic::{AtomicI64, Ordering};
use smp::SpinLock;

/// What times(2), `SIGCHLD` and /proc count CPU time in (`USER_HZ`).
pub const TICKS_PER_SECOND: u64 = 100;

pub const NANOSECONDS: u64 = 1_000_000_000;

/// Real time at monotonic 0, in nanoseconds.
static REAL_OFFSET_NS: AtomicI64 = AtomicI64::new(0);

/// Nanoseconds since boot.
pub fn monotonic_ns() -> u64 {
    smp::now_ns()
}

/// Nanoseconds since 1970 (UTC); 0 is the floor.
pub fn realtime_ns() -> u64 {
    monotonic_ns().saturating_add_signed(REAL_OFFSET_NS.load(Ordering::Relaxed))
}

/// Sets the real clock: from the RTC at boot, by clock_settime(2).
pub fn set_realtime_ns(now: u64) {
    static ONE_AT_A_TIME: SpinLock<()> = SpinLock::new(());
    let _guard = ONE_AT_A_TIME.lock();
    let offset = now.wrapping_sub(monotonic_ns()) as i64;
    REAL_OFFSET_NS.store(offset, Ordering::Relaxed);
    vdso::publish_real_offset(offset);
}

/// The monotonic time at which the real clock will read `real_ns`.
pub fn monotonic_from_real_ns(real_ns: u64) -> u64 {
    real_ns.saturating_add_signed(-REAL_OFFSET_NS.load(Ordering::Relaxed))
}
