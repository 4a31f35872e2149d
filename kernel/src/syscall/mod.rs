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
mod rseq;
mod sched;
mod signal;
mod socket;
pub mod system;
mod time;

use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::trace as rings;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use smp::SpinLock;

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
    rseq::CALLS,
    sched::CALLS,
    signal::CALLS,
    socket::CALLS,
    system::CALLS,
    time::CALLS,
];

type Table = [Handler; COUNT];

static TABLE: Table = merge(FAMILIES);
/// In its place while somebody watches.
static WATCHED_TABLE: Table = [watched; COUNT];

/// The table in force.
static ACTIVE: AtomicPtr<Table> = AtomicPtr::new((&raw const TABLE).cast_mut());

const fn merge(families: &[&Calls]) -> Table {
    let mut table: Table = [missing; COUNT];
    let mut taken = [false; COUNT];
    let mut family = 0;
    while family < families.len() {
        let mut index = 0;
        while index < families[family].len() {
            let (number, handler) = families[family][index];
            assert!(!taken[number], "two handlers for one system call");
            table[number] = handler;
            taken[number] = true;
            index += 1;
        }
        family += 1;
    }
    table
}

/// Makes the call that the registers ask for.
#[inline(always)]
pub fn dispatch(registers: &mut TrapFrame) -> Result<usize> {
    // SAFETY: always one of the two tables above.
    let table = unsafe { &*ACTIVE.load(Ordering::Relaxed) };
    match table.get(registers.number()) {
        Some(handler) => handler(registers),
        None => missing(registers),
    }
}

/// Who wants to see each call; usually nobody.
static WATCHED: AtomicU32 = AtomicU32::new(0);
const LOGGED: u32 = 1;
const RECORDED: u32 = 2;

/// Logs every call from now on (`weft.trace` on the command line).
pub fn trace() {
    watch(LOGGED, true);
}

/// Whether calls go into the trace rings.
pub fn set_recorded(recorded: bool) {
    watch(RECORDED, recorded);
}

fn watch(bit: u32, on: bool) {
    static ONE_AT_A_TIME: SpinLock<()> = SpinLock::new(());
    let _guard = ONE_AT_A_TIME.lock();
    let others = WATCHED.load(Ordering::Relaxed) & !bit;
    let watched = if on { others | bit } else { others };
    WATCHED.store(watched, Ordering::Relaxed);
    let table = if watched == 0 {
        &raw const TABLE
    } else {
        &raw const WATCHED_TABLE
    };
    ACTIVE.store(table.cast_mut(), Ordering::Relaxed);
}

#[cold]
fn watched(registers: &mut TrapFrame) -> Result<usize> {
    let (number, argument) = (registers.number() as u32, registers.x[0]);
    rings::record_unmasked(rings::Event::SyscallEnter { number, argument });
    let result = match WATCHED.load(Ordering::Relaxed) & LOGGED {
        0 => TABLE[registers.number()](registers),
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
    let result = TABLE[number](registers);
    match result {
        Ok(value) => log::info!("{caller} {number} = {value:#x}"),
        Err(error) => log::info!("{caller} {number} = {error:?}"),
    }
    result
}

/// Says once per number that a call is missing.
#[cold]
fn missing(registers: &mut TrapFrame) -> Result<usize> {
    static SEEN: [AtomicU64; COUNT / 64] = [const { AtomicU64::new(0) }; COUNT / 64];
    let number = registers.number();
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
    Err(Errno::ENOSYS)
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
        assert_eq!(table[7](&mut TrapFrame::default()), Ok(42));
        let mut unknown = TrapFrame::default();
        unknown.x[8] = COUNT as u64;
        assert_eq!(dispatch(&mut unknown), Err(Errno::ENOSYS));
    }

    #[test]
    #[should_panic(expected = "two handlers")]
    fn a_number_has_one_handler() {
        fn answer(_: &mut TrapFrame) -> Result<usize> {
            Ok(0)
        }
        merge(&[&[(7, answer as Handler)], &[(7, answer)]]);
    }
}
