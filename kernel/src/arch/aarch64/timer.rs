//! The generic timer (Arm ARM D11): the virtual counter as monotonic time, its one-shot timer as
//! this CPU's next deadline. No periodic tick exists.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CNTFRQ_EL0, CNTV_CTL_EL0, CNTV_CVAL_EL0, Readable, Writeable};
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

/// Nanoseconds per counter tick, as a 32.32 fixed-point number.
static NS_PER_TICK: AtomicU64 = AtomicU64::new(0);
/// Counter ticks per nanosecond, as a 0.64 fixed-point number (counters run below 1 GHz).
static TICKS_PER_NS: AtomicU64 = AtomicU64::new(0);

const NS_PER_SECOND: u128 = 1_000_000_000;

/// Reads the counter's frequency: once, before the first use of time.
pub fn init() {
    let frequency = u128::from(frequency());
    NS_PER_TICK.store(
        ((NS_PER_SECOND << 32) / frequency) as u64,
        Ordering::Relaxed,
    );
    TICKS_PER_NS.store(
        ((frequency << 64) / NS_PER_SECOND).min(u128::from(u64::MAX)) as u64,
        Ordering::Relaxed,
    );
}

/// Nanoseconds per counter tick, as a 32.32 fixed-point number.
pub fn ns_per_tick() -> u64 {
    NS_PER_TICK.load(Ordering::Relaxed)
}

/// The counter's frequency in hertz, as firmware set CNTFRQ_EL0.
pub fn frequency() -> u64 {
    CNTFRQ_EL0.get().max(1)
}

/// Prepares this CPU's timer: nothing armed.
pub fn init_cpu() {
    set_deadline(None);
}

/// The virtual counter. Not `nomem`: it stays where it is written among memory accesses.
#[inline]
pub fn ticks() -> u64 {
    let ticks: u64;
    // SAFETY: reading the counter has no effect.
    unsafe { asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nostack, preserves_flags)) };
    ticks
}

/// Monotonic time since the counter started, in nanoseconds.
#[inline]
pub fn now_ns() -> u64 {
    ticks_to_ns(ticks())
}

/// A value of the counter as nanoseconds since it started.
#[inline]
pub fn ticks_to_ns(ticks: u64) -> u64 {
    ((u128::from(ticks) * u128::from(NS_PER_TICK.load(Ordering::Relaxed))) >> 32) as u64
}

/// The value of the counter that [`now_ns`] made `now_ns` of: rounded to the nearest.
#[inline]
pub fn ticks_at(now_ns: u64) -> u64 {
    const HALF: u128 = 1 << 63;
    let product = u128::from(now_ns) * u128::from(TICKS_PER_NS.load(Ordering::Relaxed));
    ((product + HALF) >> 64) as u64
}

/// Raises this CPU's timer interrupt at `deadline_ns` (monotonic), at once if it has passed;
/// `None` disarms.
pub fn set_deadline(deadline_ns: Option<u64>) {
    let Some(deadline_ns) = deadline_ns else {
        return set_enabled(false);
    };
    let product = u128::from(deadline_ns) * u128::from(TICKS_PER_NS.load(Ordering::Relaxed));
    // Rounded up, and one more for the truncated factor: never early.
    let compare = u64::try_from(product >> 64)
        .unwrap_or(u64::MAX)
        .saturating_add(2);
    CNTV_CVAL_EL0.set(compare);
    set_enabled(true);
}

/// Time until this CPU's timer fires; the longest there is if nothing is armed.
pub fn until_deadline_ns() -> u64 {
    if !CNTV_CTL_EL0.is_set(CNTV_CTL_EL0::ENABLE) {
        return u64::MAX;
    }
    ticks_to_ns(CNTV_CVAL_EL0.get().saturating_sub(ticks()))
}

/// The barrier makes it so before a `wfi` or before interrupts are unmasked.
fn set_enabled(enabled: bool) {
    CNTV_CTL_EL0.write(if enabled {
        CNTV_CTL_EL0::ENABLE::SET
    } else {
        CNTV_CTL_EL0::ENABLE::CLEAR
    });
    barrier::isb(barrier::SY);
}
