//! futex(2), by operation.

use super::Calls;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::futex::{self, Deadline, pi, queue::ALL_BITS};
use crate::syscall::time::TimeSpec;
use crate::time;
use crate::user_memory::UserPtr;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[(__NR_futex as usize, call)];

const CLOCK_REALTIME_FLAG: u32 = FUTEX_CLOCK_REALTIME;

fn call(registers: &mut TrapFrame) -> Result<usize> {
    let argument = |index| registers.argument(index);
    let (address, operation, value) = (argument(0), argument(1) as u32, argument(2) as u32);
    let (timeout, second, third) = (argument(3), argument(4), argument(5) as u32);
    let shared = operation & FUTEX_PRIVATE_FLAG == 0;
    let real = operation & CLOCK_REALTIME_FLAG != 0;
    // Negative counts mean as many as there are.
    let limit = |count: u32| {
        if (count as i32) < 0 {
            usize::MAX
        } else {
            count as usize
        }
    };
    let command = operation & !(FUTEX_PRIVATE_FLAG | CLOCK_REALTIME_FLAG);
    let has_clock = [FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI, FUTEX_LOCK_PI2];
    if real && !has_clock.contains(&command) {
        return Err(Errno::ENOSYS);
    }
    match command {
        FUTEX_WAIT => futex::wait(address, value, ALL_BITS, shared, relative(timeout)?),
        FUTEX_WAIT_BITSET => futex::wait(address, value, third, shared, absolute(timeout, real)?),
        FUTEX_WAKE => futex::wake(address, limit(value).max(1), ALL_BITS, shared),
        FUTEX_WAKE_BITSET => futex::wake(address, limit(value).max(1), third, shared),
        FUTEX_REQUEUE => {
            let (woken, _) = futex::requeue(
                address,
                second,
                shared,
                limit(value),
                limit(timeout as u32),
                None,
            )?;
            Ok(woken)
        }
        FUTEX_CMP_REQUEUE => {
            let counts = (limit(value), limit(timeout as u32));
            let (woken, moved) =
                futex::requeue(address, second, shared, counts.0, counts.1, Some(third))?;
            Ok(woken + moved)
        }
        FUTEX_WAKE_OP => futex::wake_op(
            address,
            second,
            shared,
            limit(value),
            limit(timeout as u32),
            third,
        ),
        // The deadline is one of the real-time clock; FUTEX_LOCK_PI2 has a choice.
        FUTEX_LOCK_PI => pi::lock(address, shared, at(absolute(timeout, true)?)),
        FUTEX_LOCK_PI2 => pi::lock(address, shared, at(absolute(timeout, real)?)),
        FUTEX_TRYLOCK_PI => pi::try_lock(address, shared),
        FUTEX_UNLOCK_PI => pi::unlock(address, shared),
        FUTEX_WAIT_REQUEUE_PI => {
            let deadline = at(absolute(timeout, real)?);
            pi::wait_requeue(address, value, second, shared, deadline)
        }
        FUTEX_CMP_REQUEUE_PI if value == 1 && (timeout as i32) >= 0 => {
            pi::cmp_requeue(address, second, shared, timeout, third)
        }
        FUTEX_CMP_REQUEUE_PI => Err(Errno::EINVAL),
        // File-descriptor futexes are not here.
        _ => Err(Errno::ENOSYS),
    }
}

fn at(deadline: Option<Deadline>) -> Option<u64> {
    deadline.map(|deadline| deadline.at_ns)
}

fn timeout(address: usize) -> Result<Option<u64>> {
    UserPtr::<TimeSpec>::new(address)
        .optional()
        .map(|timeout| timeout.read()?.to_ns())
        .transpose()
}

fn relative(address: usize) -> Result<Option<Deadline>> {
    let deadline = |ns| Deadline {
        at_ns: time::monotonic_ns().saturating_add(ns),
        relative: true,
    };
    Ok(timeout(address)?.map(deadline))
}

fn absolute(address: usize, real: bool) -> Result<Option<Deadline>> {
    let monotonic = |ns| {
        if real {
            time::monotonic_from_real_ns(ns)
        } else {
            ns
        }
    };
    Ok(timeout(address)?.map(|ns| Deadline {
        at_ns: monotonic(ns),
        relative: false,
    }))
}
