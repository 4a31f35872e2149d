//! The system-call table: each family's calls, merged by number at compile time.
//!
//! A handler takes the registers and returns the value for x0 or an [`Errno`]; what user space
//! sees of either is decided in one place, [`trap::user_syscall`](crate::trap::user_syscall).

mod credentials;
mod file;
mod futex;
mod kernel_log;
mod memory;
mod poll;
mod process;
mod sched;
mod signal;
mod socket;
pub mod system;
mod time;

use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// One system call: arguments in x0 to x5 of the registers.
pub type Handler = fn(&mut TrapFrame) -> Result<usize>;

/// The calls of one family: number and handler.
pub type Calls = [(usize, Handler)];

/// One past the highest number looked up.
const COUNT: usize = 512;

const FAMILIES: &[&Calls] = &[
    credentials::CALLS,
    file::CALLS,
    futex::CALLS,
    kernel_log::CALLS,
    memory::CALLS,
    poll::CALLS,
    process::CALLS,
    sched::CALLS,
    signal::CALLS,
    socket::CALLS,
    system::CALLS,
    time::CALLS,
];

static TABLE: [Option<Handler>; COUNT] = merge(FAMILIES);

const fn merge(families: &[&Calls]) -> [Option<Handler>; COUNT] {
    let mut table: [Option<Handler>; COUNT] = [None; COUNT];
    let mut family = 0;
    while family < families.len() {
        let mut index = 0;
        while index < families[family].len() {
            let (number, handler) = families[family][index];
            assert!(table[number].is_none(), "two handlers for one system call");
            table[number] = Some(handler);
            index += 1;
        }
        family += 1;
    }
    table
}

/// Makes the call that the registers ask for.
pub fn dispatch(registers: &mut TrapFrame) -> Result<usize> {
    if TRACED.load(Ordering::Relaxed) {
        return traced(registers);
    }
    call(registers)
}

fn call(registers: &mut TrapFrame) -> Result<usize> {
    match TABLE.get(registers.number()) {
        Some(Some(handler)) => handler(registers),
        _ => Err(missing(registers.number())),
    }
}

static TRACED: AtomicBool = AtomicBool::new(false);

/// Logs every call from now on (`weft.trace` on the command line).
pub fn trace() {
    TRACED.store(true, Ordering::Relaxed);
}

#[cold]
fn traced(registers: &mut TrapFrame) -> Result<usize> {
    let (number, arguments) = (registers.number(), &registers.x[..6].to_vec());
    let caller = || {
        let current = crate::process::current();
        alloc::format!("{} [{}]", current.thread().name(), current.tid())
    };
    let caller = caller();
    log::info!("{caller} calls {number} {arguments:x?}");
    let result = call(registers);
    match result {
        Ok(value) => log::info!("{caller} {number} = {value:#x}"),
        Err(error) => log::info!("{caller} {number} = {error:?}"),
    }
    result
}

/// Says once per number that a call is missing.
#[cold]
fn missing(number: usize) -> Errno {
    static SEEN: [AtomicU64; COUNT / 64] = [const { AtomicU64::new(0) }; COUNT / 64];
    let bit = 1 << (number % 64);
    let seen = SEEN
        .get(number / 64)
        .map(|word| word.fetch_or(bit, Ordering::Relaxed) & bit != 0);
    if seen == Some(false) {
        let current = crate::process::current();
        log::info!(
            "system call {number} is not implemented, wanted by {} [{}]",
            current.thread().name(),
            current.pid()
        );
    }
    Errno::ENOSYS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_find_their_handlers() {
        fn answer(_: &mut TrapFrame) -> Result<usize> {
            Ok(42)
        }
        let table = merge(&[&[(7, answer as Handler)], &[]]);
        assert_eq!(
            table[7].map(|handler| handler(&mut TrapFrame::default())),
            Some(Ok(42))
        );
        assert!(table[8].is_none());
    }

    #[test]
    fn no_family_repeats_a_number() {
        assert!(
            TABLE.iter().flatten().count()
                == FAMILIES.iter().map(|family| family.len()).sum::<usize>()
        );
    }
}
