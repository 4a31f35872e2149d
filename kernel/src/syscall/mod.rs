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
use crate::trace as rings;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

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
    if WATCHED.load(Ordering::Relaxed) != 0 {
        return watched(registers);
    }
    call(registers)
}

fn call(registers: &mut TrapFrame) -> Result<usize> {
    match TABLE.get(registers.number()) {
        Some(Some(handler)) => handler(registers),
        _ => Err(missing(registers.number())),
    }
}

/// Who wants to see each call; usually nobody.
static WATCHED: AtomicU32 = AtomicU32::new(0);
const LOGGED: u32 = 1;
const RECORDED: u32 = 2;

/// Logs every call from now on (`weft.trace` on the command line).
pub fn trace() {
    WATCHED.fetch_or(LOGGED, Ordering::Relaxed);
}

/// Whether calls go into the trace rings.
pub fn set_recorded(recorded: bool) {
    match recorded {
        true => WATCHED.fetch_or(RECORDED, Ordering::Relaxed),
        false => WATCHED.fetch_and(!RECORDED, Ordering::Relaxed),
    };
}

#[cold]
fn watched(registers: &mut TrapFrame) -> Result<usize> {
    let (number, argument) = (registers.number() as u32, registers.x[0]);
    rings::record_unmasked(rings::Event::SyscallEnter { number, argument });
    let result = match WATCHED.load(Ordering::Relaxed) & LOGGED {
        0 => call(registers),
        _ => logged(registers),
    };
    let value = match &result {
        Ok(value) => *value,
        Err(error) => error.as_return(),
    };
    let result_word = value as u64;
    rings::record_unmasked(rings::Event::SyscallExit {
        number,
        result: result_word,
    });
    result
}

fn logged(registers: &mut TrapFrame) -> Result<usize> {
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
