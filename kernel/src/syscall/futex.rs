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

/// The arguments, by what most operations make of them.
struct Arguments {
    address: usize,
    value: u32,
    /// A deadline, or a second count.
    timeout: usize,
    second: usize,
    third: u32,
    shared: bool,
    /// The deadline is one of the real-time clock.
    real: bool,
}

fn call(registers: &mut TrapFrame) -> Result<usize> {
    let argument = |index| registers.argument(index);
    let operation = argument(1) as u32;
    let command = operation & !(FUTEX_PRIVATE_FLAG | CLOCK_REALTIME_FLAG);
    let arguments = Arguments {
        address: argument(0),
        value: argument(2) as u32,
        timeout: argument(3),
        second: argument(4),
        third: argument(5) as u32,
        shared: operation & FUTEX_PRIVATE_FLAG == 0,
        real: operation & CLOCK_REALTIME_FLAG != 0,
    };
    let has_clock = [FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI, FUTEX_LOCK_PI2];
    if arguments.real && !has_clock.contains(&command) {
        return Err(Errno::ENOSYS);
    }
    arguments.serve(command)
}

impl Arguments {
    #[inline]
    fn serve(&self, command: u32) -> Result<usize> {
        match command {
            FUTEX_WAIT => self.wait(ALL_BITS, relative(self.timeout)?),
            FUTEX_WAIT_BITSET => self.wait(self.third, absolute(self.timeout, self.real)?),
            FUTEX_WAKE => self.wake(ALL_BITS),
            FUTEX_WAKE_BITSET => self.wake(self.third),
            FUTEX_REQUEUE => self.requeue(None).map(|(woken, _)| woken),
            FUTEX_CMP_REQUEUE => self
                .requeue(Some(self.third))
                .map(|(woken, moved)| woken + moved),
            FUTEX_WAKE_OP => self.wake_op(),
            _ => self.serve_inheriting(command),
        }
    }

    /// The operations on locks whose owner inherits.
    fn serve_inheriting(&self, command: u32) -> Result<usize> {
        let &Self {
            address, shared, ..
        } = self;
        let until = |real| -> Result<_> {
            let deadline = absolute(self.timeout, real)?;
            Ok(deadline.map(|deadline| deadline.at_ns))
        };
        match command {
            // The deadline is one of the real-time clock; FUTEX_LOCK_PI2 has a choice.
            FUTEX_LOCK_PI => pi::lock(address, shared, until(true)?),
            FUTEX_LOCK_PI2 => pi::lock(address, shared, until(self.real)?),
            FUTEX_TRYLOCK_PI => pi::try_lock(address, shared),
            FUTEX_UNLOCK_PI => pi::unlock(address, shared),
            FUTEX_WAIT_REQUEUE_PI => {
                pi::wait_requeue(address, self.value, self.second, shared, until(self.real)?)
            }
            FUTEX_CMP_REQUEUE_PI if self.value == 1 && (self.timeout as i32) >= 0 => {
                pi::cmp_requeue(address, self.second, shared, self.timeout, self.third)
            }
            FUTEX_CMP_REQUEUE_PI => Err(Errno::EINVAL),
            // File-descriptor futexes are not here.
            _ => Err(Errno::ENOSYS),
        }
    }

    fn wait(&self, bits: u32, deadline: Option<Deadline>) -> Result<usize> {
        futex::wait(self.address, self.value, bits, self.shared, deadline)
    }

    fn wake(&self, bits: u32) -> Result<usize> {
        let most = limit(self.value).max(1);
        futex::wake(self.address, most, bits, self.shared)
    }

    /// How many were woken and moved.
    fn requeue(&self, expected: Option<u32>) -> Result<(usize, usize)> {
        let (most_woken, most_moved) = (limit(self.value), limit(self.timeout as u32));
        futex::requeue(
            self.address,
            self.second,
            self.shared,
            most_woken,
            most_moved,
            expected,
        )
    }

    fn wake_op(&self) -> Result<usize> {
        futex::wake_op(
            self.address,
            self.second,
            self.shared,
            limit(self.value),
            limit(self.timeout as u32),
            self.third,
        )
    }
}

/// Negative counts mean as many as there are.
fn limit(count: u32) -> usize {
    i32::try_from(count).map_or(usize::MAX, |count| count as usize)
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
