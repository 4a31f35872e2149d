//! The architecture's counter, and computing for a time by it.

use common::clock::monotonic;
use std::hint::black_box;

pub use common::clock::now;

/// A longer gap in a thread's own time means that it was preempted.
const GAP_NS: u64 = 20_000;
/// Instructions, about, between two looks at the clock.
const STRIDE: u32 = 8;

/// Lets the other CPUs have their turn. QEMU's exact machine executes one CPU at a time, until it
/// waits or says `yield`: without that the others would stand still meanwhile, and the machine would
/// not behave as one of several CPUs does.
pub fn pass_turn() {
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a hint, no memory and no register is touched.
    unsafe {
        core::arch::asm!("yield", options(nomem, nostack));
    }
}

/// Computes for `ns` of this thread's own time: it watches the clock and passes the turn often, and
/// what goes by while the other CPUs have theirs counts as computed here too.
pub fn compute(ns: u64) {
    let (mut left, mut last) = (ns, now());
    while left > 0 {
        for step in 0..STRIDE {
            black_box(step);
        }
        pass_turn();
        let at = now();
        let passed = at - std::mem::replace(&mut last, at);
        left = left.saturating_sub(if passed < GAP_NS { passed } else { 0 });
    }
}

/// Sleeps until [`now`] says `due`; `offset` is [`ahead`].
pub fn sleep_until(due: u64, offset: u64) {
    let at = due + offset;
    let at = libc::timespec {
        tv_sec: (at / 1_000_000_000) as _,
        tv_nsec: (at % 1_000_000_000) as _,
    };
    let nowhere = std::ptr::null_mut();
    // SAFETY: the time outlives the call; with an absolute time nothing is written back.
    unsafe { libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &at, nowhere) };
}

/// How far the kernel's clock is ahead of [`now`].
pub fn ahead() -> u64 {
    monotonic().wrapping_sub(now())
}
