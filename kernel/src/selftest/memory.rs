//! The kernel's own memory: rights, guards, the heap, user copies.

use super::{Outcome, check, on_every_cpu};
use crate::arch::aarch64::backtrace::is_readable;
use crate::arch::aarch64::mmu;
use crate::arch::usercopy;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use smp::ThreadSpec;

static READ_ONLY: u64 = 7;
static mut WRITABLE: u64 = 7;

/// Code and constants cannot be written, through neither of their addresses.
pub fn nothing_is_writable_and_executable() -> Outcome {
    let code = nothing_is_writable_and_executable as *const () as usize;
    let constant = (&raw const READ_ONLY).addr();
    let data = (&raw const WRITABLE).addr();
    check(!mmu::is_writable(code), "code is writable")?;
    check(!mmu::is_writable(constant), "constants are writable")?;
    check(mmu::is_writable(data), "data is not writable")?;
    for (what, name) in [
        (code, "code is writable in the linear map"),
        (constant, "constants are"),
    ] {
        check(!mmu::is_writable(mmu::linear_alias(what)), name)?;
    }
    check(
        mmu::is_writable(mmu::linear_alias(data)),
        "data is not writable in the linear map",
    )
}

/// User copies of a thread without user memory, and of kernel addresses, fail and return.
pub fn bad_user_addresses_are_fixed_up() -> Outcome {
    let mut buffer = [0u8; 61];
    let secret = (&raw const READ_ONLY).addr();
    for address in [0usize, 0x1000, 0x7fff_ffff_f000, secret] {
        // SAFETY: the buffer is ours; the addresses are meant to fail.
        let outcomes = unsafe {
            [
                usercopy::copy_from_user(buffer.as_mut_ptr(), address, buffer.len()),
                usercopy::copy_to_user(address, buffer.as_ptr(), buffer.len()),
                usercopy::zero_user(address, buffer.len()),
                usercopy::load_u32(address & !3).map(|_| ()),
            ]
        };
        check(
            outcomes.iter().all(Result::is_err),
            "a bad address was accessed",
        )?;
    }
    // SAFETY: an unmapped user address.
    let exchanged = unsafe { usercopy::compare_exchange_u32(0x1000, 0, 1) };
    check(exchanged.is_err(), "a bad word was exchanged")
}

/// All CPUs allocate, check and free at once, in sizes from bytes to pages.
pub fn heap_survives_all_cpus() -> Outcome {
    static SPOILT: AtomicU32 = AtomicU32::new(0);
    on_every_cpu(|index| {
        let mut kept: Vec<Vec<u8>> = Vec::new();
        for round in 0..3000usize {
            let size = 1 << (round * 7 % 14);
            kept.push(alloc::vec![index as u8; size]);
            if kept.len() > 20 {
                let old = kept.swap_remove(round % kept.len());
                let spoilt = old.iter().any(|byte| *byte != index as u8);
                SPOILT.fetch_add(u32::from(spoilt), Ordering::Relaxed);
            }
        }
    });
    check(
        SPOILT.load(Ordering::Relaxed) == 0,
        "memory of one CPU was written by another",
    )
}

/// The thread that overflows its stack on purpose, and what became of it.
static OVERFLOWING: AtomicU32 = AtomicU32::new(0);
static CAUGHT: AtomicU32 = AtomicU32::new(0);

/// Whether the overflow just caught is the one the test made. Then its thread just ends.
pub fn overflow_was_wanted() -> bool {
    let own = smp::current_id().tid;
    let wanted = OVERFLOWING
        .compare_exchange(own, 0, Ordering::Relaxed, Ordering::Relaxed)
        .is_ok();
    if wanted {
        CAUGHT.store(own, Ordering::Relaxed);
    }
    wanted
}

/// A thread that recurses for ever is stopped by the guard, found on the overflow stack.
pub fn overflow_hits_the_guard() -> Outcome {
    #[expect(unconditional_recursion, reason = "the stack is to overflow")]
    fn recurse(depth: usize) -> usize {
        let frame = core::hint::black_box([depth; 64]);
        1 + recurse(depth + 1) + frame[depth % 64]
    }
    let thread = smp::spawn(ThreadSpec::new("overflow", || {
        OVERFLOWING.store(smp::current_id().tid, Ordering::Relaxed);
        core::hint::black_box(recurse(0));
    }));
    let thread = thread.map_err(|_| "no memory for a thread")?;
    thread.join();
    check(
        CAUGHT.load(Ordering::Relaxed) == thread.tid(),
        "the overflow was not caught",
    )?;
    let local = 0u8;
    let below = (&raw const local).addr() & !0xffff;
    check(
        !is_readable(below as u64),
        "the guard below this stack is mapped",
    )
}
