//! madvise, msync, mincore, mlock and its relatives.

use super::map::check_range;
use super::{SpaceError, UserSlice, may_lock, memory, page_aligned, untagged};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::current;
use crate::user_memory::copy_out;
use alloc::vec::Vec;
use linux_raw_sys::general::*;
use mm::PAGE_SIZE;
use mm::space::{Advice, Locking};

/// The page-aligned range in arguments 0 and 1; `None` when it is empty.
fn range(registers: &TrapFrame, too_long: Errno) -> Result<Option<UserSlice>> {
    let start = untagged(registers, 0);
    if !start.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let length = page_aligned(registers.argument(1), too_long)?;
    if length == 0 {
        return Ok(None);
    }
    check_range(start, length)?;
    Ok(Some(UserSlice::new(start, length)))
}

/// madvise(2). Hints about what this kernel does not do (read ahead, swap, core dumps) are only
/// checked; advice it does not know is refused.
pub fn madvise(registers: &mut TrapFrame) -> Result<usize> {
    let advice = match registers.argument(2) as u32 {
        MADV_NORMAL | MADV_RANDOM | MADV_SEQUENTIAL | MADV_WILLNEED | MADV_COLD | MADV_PAGEOUT
        | MADV_DONTDUMP | MADV_DODUMP => None,
        MADV_DONTNEED => Some(Advice::Discard),
        MADV_FREE => Some(Advice::Free),
        MADV_DONTFORK => Some(Advice::DontFork),
        MADV_DOFORK => Some(Advice::DoFork),
        MADV_WIPEONFORK => Some(Advice::WipeOnFork),
        MADV_KEEPONFORK => Some(Advice::KeepOnFork),
        MADV_POPULATE_READ => Some(Advice::PopulateRead),
        MADV_POPULATE_WRITE => Some(Advice::PopulateWrite),
        _ => return Err(Errno::EINVAL),
    };
    let Some(range) = range(registers, Errno::EINVAL)? else {
        return Ok(0);
    };
    match advice {
        Some(advice) => memory().advise(range.address, range.length, advice)?,
        None => memory().check_mapped(range.address, range.length)?,
    }
    Ok(0)
}

/// msync(2). MS_ASYNC writes back at once too: there is no cache that would do it later.
pub fn msync(registers: &mut TrapFrame) -> Result<usize> {
    let flags = registers.argument(2) as u32;
    if flags & !(MS_ASYNC | MS_SYNC | MS_INVALIDATE) != 0
        || flags & (MS_ASYNC | MS_SYNC) == MS_ASYNC | MS_SYNC
    {
        return Err(Errno::EINVAL);
    }
    let Some(range) = range(registers, Errno::ENOMEM)? else {
        return Ok(0);
    };
    memory().sync(range.address, range.length)?;
    Ok(0)
}

/// mincore(2).
pub fn mincore(registers: &mut TrapFrame) -> Result<usize> {
    /// A byte of the answer per page, built in pieces.
    const PAGES_AT_ONCE: usize = 4096;
    let Some(range) = range(registers, Errno::ENOMEM)? else {
        return Ok(0);
    };
    let vector = registers.argument(2);
    let memory = memory();
    for first in (0..range.length / PAGE_SIZE).step_by(PAGES_AT_ONCE) {
        let start = range.address + first * PAGE_SIZE;
        let length = (PAGES_AT_ONCE * PAGE_SIZE).min(range.address + range.length - start);
        let bytes: Vec<u8> = memory
            .resident(start, length)?
            .into_iter()
            .map(u8::from)
            .collect();
        copy_out(vector.checked_add(first).ok_or(Errno::EFAULT)?, &bytes)?;
    }
    Ok(0)
}

/// mlock(2).
pub fn mlock(registers: &mut TrapFrame) -> Result<usize> {
    lock(registers, Locking::Now)
}

/// mlock2(2).
pub fn mlock2(registers: &mut TrapFrame) -> Result<usize> {
    match registers.argument(2) as u32 {
        0 => lock(registers, Locking::Now),
        MLOCK_ONFAULT => lock(registers, Locking::OnFault),
        _ => Err(Errno::EINVAL),
    }
}

/// munlock(2).
pub fn munlock(registers: &mut TrapFrame) -> Result<usize> {
    lock(registers, Locking::Off)
}

/// The start need not be aligned here (mlock(2)).
fn lock(registers: &TrapFrame, locking: Locking) -> Result<usize> {
    let address = untagged(registers, 0);
    let start = mm::addr::page_down(address);
    let length = registers
        .argument(1)
        .checked_add(address - start)
        .ok_or(Errno::EINVAL)?;
    let length = page_aligned(length, Errno::EINVAL)?;
    if length == 0 {
        return Ok(0);
    }
    check_range(start, length)?;
    if locking != Locking::Off && !may_lock(&current(), length) {
        return Err(Errno::ENOMEM);
    }
    memory().lock_pages(start, length, locking)?;
    Ok(0)
}

/// mlockall(2).
pub fn mlockall(registers: &mut TrapFrame) -> Result<usize> {
    let flags = registers.argument(0) as u32;
    let (now, future) = (flags & MCL_CURRENT != 0, flags & MCL_FUTURE != 0);
    if flags & !(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0 || !(now || future) {
        return Err(Errno::EINVAL);
    }
    let caller = current();
    let memory = caller.memory();
    if !may_lock(&caller, memory.usage().virtual_pages * PAGE_SIZE) {
        return Err(Errno::ENOMEM);
    }
    let locking = if flags & MCL_ONFAULT != 0 {
        Locking::OnFault
    } else {
        Locking::Now
    };
    if future {
        memory.lock_future(locking);
    }
    if now {
        // As in Linux, what cannot be populated is no error here.
        match memory.lock_all(locking) {
            Ok(()) | Err(SpaceError::NoMemory) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(0)
}

/// munlockall(2).
pub fn munlockall(_registers: &mut TrapFrame) -> Result<usize> {
    memory().lock_future(Locking::Off);
    memory().lock_all(Locking::Off)?;
    Ok(0)
}
