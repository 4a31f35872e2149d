//! Robust futexes: what a dying thread still holds is marked and its waiters are told
//! (set_robust_list(2), and the kernel's robust-futex-ABI text).

use super::pi::{OWNER_DIED as FUTEX_OWNER_DIED, TID_MASK as FUTEX_TID_MASK};
use super::{ALL_BITS, FUTEX_WAITERS, key, pi, queue};
use crate::arch::usercopy;
use crate::error::{Errno, Result};
use crate::process::Current;
use crate::user_memory::{USER_END, UserPtr, plain};
use core::sync::atomic::Ordering;

/// Linux stops after this many: the list may be a circle.
const LIST_LIMIT: usize = 2048;

/// `struct robust_list_head`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Head {
    first: usize,
    /// From a list entry to its futex word.
    futex_offset: isize,
    /// The one being locked or unlocked.
    pending: usize,
}
plain!(Head);

/// The size set_robust_list(2) asks for.
pub const HEAD_SIZE: usize = size_of::<Head>();

/// Marks and wakes every futex on the task's list, and hands on what inherits priorities. A list
/// that cannot be read ends there. `goes_on`: with another program (execve).
pub fn release_all(current: &Current, goes_on: bool) {
    let address = current.robust_list.swap(0, Ordering::Relaxed);
    if address != 0 {
        // There is nobody to report a bad list to.
        let _ = walk(current.tid(), address);
    }
    pi::release_all(current, goes_on);
}

fn walk(tid: u32, address: usize) -> Result<()> {
    let head = UserPtr::<Head>::new(address).read()?;
    // Bit 0 marks a priority-inheriting futex.
    let (entry_of, inherits) = (
        |pointer: usize| pointer & !1,
        |pointer: usize| pointer & 1 != 0,
    );
    let futex_of = |entry: usize| entry.wrapping_add_signed(head.futex_offset);
    let pending = entry_of(head.pending);
    let mut pointer = head.first;
    for _ in 0..LIST_LIMIT {
        let entry = entry_of(pointer);
        if entry == address {
            break;
        }
        let next = UserPtr::<usize>::new(entry).read();
        if entry != pending {
            release(futex_of(entry), tid, inherits(pointer))?;
        }
        pointer = next?;
    }
    if pending != 0 {
        release(futex_of(pending), tid, inherits(head.pending))
    } else {
        Ok(())
    }
}

/// If the thread holds the futex: says that its owner died, and wakes one waiter. One that
/// `inherits` has no waiters here: it is handed on afterwards (`pi`).
fn release(address: usize, tid: u32, inherits: bool) -> Result<()> {
    if !address.is_multiple_of(4) || address >= USER_END {
        return Err(Errno::EFAULT);
    }
    // SAFETY: aligned and below the end of user space.
    let mut seen = unsafe { usercopy::load_u32(address) }.map_err(|_| Errno::EFAULT)?;
    loop {
        if seen & FUTEX_TID_MASK != tid {
            return Ok(());
        }
        let marked = seen & FUTEX_WAITERS | FUTEX_OWNER_DIED;
        // SAFETY: as above.
        let found = unsafe { usercopy::compare_exchange_u32(address, seen, marked) }
            .map_err(|_| Errno::EFAULT)?;
        if found == seen {
            break;
        }
        seen = found;
    }
    if seen & FUTEX_WAITERS != 0 && !inherits {
        for shared in [false, true] {
            if let Ok(key) = key(address, shared) {
                queue::wake(key, 1, ALL_BITS);
            }
        }
    }
    Ok(())
}
