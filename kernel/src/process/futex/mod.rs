//! Futexes (futex(2)): waiting for a word of user memory to be changed by somebody else.
//!
//! A waiter enters its queue first and reads the word after: reading may fault pages in and sleep,
//! which no lock may be held over. If the word has changed it leaves again, and hands on a wake
//! that came meanwhile.

pub mod pi;
pub mod queue;
pub mod robust;

use super::{current, restart_with};
use crate::arch::usercopy;
use crate::error::{Errno, Result};
use crate::user_memory::USER_END;
use alloc::sync::Arc;
use queue::{ALL_BITS, Key, Waiter, Withdrawn};
use smp::Unparked;

/// The bit in a lock word that says somebody waits.
const FUTEX_WAITERS: u32 = 0x8000_0000;

/// Which queue `address` belongs to. `shared`: other processes may use it too, if its memory is
/// shared with them.
pub fn key(address: usize, shared: bool) -> Result<Key> {
    if !address.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    if address >= USER_END {
        return Err(Errno::EFAULT);
    }
    let current = current();
    if shared {
        let found = current.memory().shared_word(address);
        if let Some(physical) = found.map_err(|_| Errno::EFAULT)? {
            return Ok(Key::Shared(physical.0));
        }
    }
    Ok(Key::Private(current.process().memory_name(), address))
}

/// What ends a wait besides a wake.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// Monotonic.
    pub at_ns: u64,
    /// Given as a duration: a restarted call must not start it anew.
    pub relative: bool,
}

/// FUTEX_WAIT, FUTEX_WAIT_BITSET: sleeps while the word is `expected`.
pub fn wait(
    address: usize,
    expected: u32,
    bits: u32,
    shared: bool,
    deadline: Option<Deadline>,
) -> Result<usize> {
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    let key = key(address, shared)?;
    let current = current();
    let waiter = current.futex_waiter.call_once(Waiter::new);
    waiter.enqueue(key, bits);
    match load(address) {
        Ok(value) if value == expected => {}
        other => {
            if waiter.withdraw() == Withdrawn::TooLate {
                // Meant for a thread that really waits.
                queue::wake(key, 1, bits);
            }
            return Err(other.err().unwrap_or(Errno::EAGAIN));
        }
    }
    match sleep(waiter, deadline.map(|deadline| deadline.at_ns)) {
        Err(Errno::RESTART) if deadline.is_some_and(|deadline| deadline.relative) => {
            Err(restart_with(move || {
                wait(address, expected, bits, shared, deadline)
            }))
        }
        result => result,
    }
}

fn sleep(waiter: &Arc<Waiter>, deadline_ns: Option<u64>) -> Result<usize> {
    loop {
        if waiter.is_woken() {
            return Ok(0);
        }
        let unparked = if super::signal_pending() {
            None
        } else {
            Some(smp::park(deadline_ns))
        };
        let ended = match unparked {
            Some(Unparked::Woken) => continue,
            Some(Unparked::TimedOut) => Errno::ETIMEDOUT,
            None => Errno::RESTART,
        };
        return match waiter.withdraw() {
            Withdrawn::InTime => Err(ended),
            Withdrawn::TooLate => Ok(0),
        };
    }
}

fn load(address: usize) -> Result<u32> {
    // SAFETY: `key` refused unaligned addresses and those past the end of user space.
    unsafe { usercopy::load_u32(address) }.map_err(|_| Errno::EFAULT)
}

/// FUTEX_WAKE, FUTEX_WAKE_BITSET.
pub fn wake(address: usize, limit: usize, bits: u32, shared: bool) -> Result<usize> {
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    Ok(queue::wake(key(address, shared)?, limit, bits))
}

/// A thread's last wake, for pthread_join: on the word the kernel has cleared for it.
pub(super) fn wake_after_exit(address: usize) {
    if let Ok(key) = key(address, true) {
        queue::wake(key, 1, ALL_BITS);
    }
}

/// FUTEX_REQUEUE, and FUTEX_CMP_REQUEUE with `expected`; returns how many were woken, and moved.
pub fn requeue(
    from: usize,
    to: usize,
    shared: bool,
    wake_limit: usize,
    move_limit: usize,
    expected: Option<u32>,
) -> Result<(usize, usize)> {
    let (from_key, to_key) = (key(from, shared)?, key(to, shared)?);
    if let Some(expected) = expected
        && load(from)? != expected
    {
        return Err(Errno::EAGAIN);
    }
    Ok(queue::requeue(from_key, to_key, wake_limit, move_limit))
}

/// FUTEX_WAKE_OP: changes the second word, wakes on the first, and on the second if its old value
/// compares as asked.
pub fn wake_op(
    first: usize,
    second: usize,
    shared: bool,
    limit: usize,
    second_limit: usize,
    code: u32,
) -> Result<usize> {
    let (first_key, second_key) = (key(first, shared)?, key(second, shared)?);
    let operation = Operation::decode(code);
    let mut old = load(second)?;
    loop {
        let new = operation.apply(old)?;
        // SAFETY: `key` refused unaligned addresses and those past the end of user space.
        let found = unsafe { usercopy::compare_exchange_u32(second, old, new) }
            .map_err(|_| Errno::EFAULT)?;
        if found == old {
            break;
        }
        old = found;
    }
    let woken = queue::wake(first_key, limit, ALL_BITS);
    let more = if operation.compare(old)? {
        queue::wake(second_key, second_limit, ALL_BITS)
    } else {
        0
    };
    Ok(woken + more)
}

/// The packed argument of FUTEX_WAKE_OP.
struct Operation {
    kind: u32,
    comparison: u32,
    operand: u32,
    compared_with: i32,
}

impl Operation {
    fn decode(code: u32) -> Self {
        const SHIFT: u32 = 8;
        let kind = code >> 28;
        let sign_extended = |bits: u32| (bits << 20) as i32 >> 20;
        let operand = sign_extended(code >> 12 & 0xfff) as u32;
        Self {
            kind: kind & !SHIFT,
            comparison: code >> 24 & 0xf,
            operand: if kind & SHIFT != 0 {
                1 << (operand & 31)
            } else {
                operand
            },
            compared_with: sign_extended(code & 0xfff),
        }
    }

    fn apply(&self, old: u32) -> Result<u32> {
        match self.kind {
            0 => Ok(self.operand),
            1 => Ok(old.wrapping_add(self.operand)),
            2 => Ok(old | self.operand),
            3 => Ok(old & !self.operand),
            4 => Ok(old ^ self.operand),
            _ => Err(Errno::ENOSYS),
        }
    }

    fn compare(&self, old: u32) -> Result<bool> {
        let old = old as i32;
        match self.comparison {
            0 => Ok(old == self.compared_with),
            1 => Ok(old != self.compared_with),
            2 => Ok(old < self.compared_with),
            3 => Ok(old <= self.compared_with),
            4 => Ok(old > self.compared_with),
            5 => Ok(old >= self.compared_with),
            _ => Err(Errno::ENOSYS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wake_op_codes_as_in_the_manual() {
        // FUTEX_OP(FUTEX_OP_ADD, -1, FUTEX_OP_CMP_GT, 0), as glibc's condition variables used it.
        let code = 1 << 28 | 4 << 24 | 0xfff << 12;
        let operation = Operation::decode(code);
        assert_eq!(operation.apply(5), Ok(4));
        assert_eq!(
            (operation.compare(1), operation.compare(0)),
            (Ok(true), Ok(false))
        );
        // FUTEX_OP_OPARG_SHIFT: set bit 3.
        assert_eq!(Operation::decode((8 | 2) << 28 | 3 << 12).apply(1), Ok(9));
        assert_eq!(Operation::decode(7 << 28).apply(0), Err(Errno::ENOSYS));
    }
}
