//! Memory: mmap and what goes with it. The work is done by [`mm::AddressSpace`]; here flags are
//! taken apart and refused where they mean something this kernel does not do.

mod advice;
mod map;
mod other;

use super::Calls;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::{Current, current, rlimits::Resource};
use crate::user_memory::UserSlice;
use alloc::sync::Arc;
use linux_raw_sys::general::*;
use mm::space::{Fault, SpaceError};
use mm::{AddressSpace, PAGE_SIZE};

pub const CALLS: &Calls = &[
    (__NR_mmap as usize, map::mmap),
    (__NR_munmap as usize, map::munmap),
    (__NR_mprotect as usize, map::mprotect),
    (__NR_mremap as usize, map::mremap),
    (__NR_brk as usize, map::brk),
    (__NR_madvise as usize, advice::madvise),
    (__NR_msync as usize, advice::msync),
    (__NR_mincore as usize, advice::mincore),
    (__NR_mlock as usize, advice::mlock),
    (__NR_mlock2 as usize, advice::mlock2),
    (__NR_munlock as usize, advice::munlock),
    (__NR_mlockall as usize, advice::mlockall),
    (__NR_munlockall as usize, advice::munlockall),
    (__NR_process_vm_readv as usize, other::process_vm_readv),
    (__NR_process_vm_writev as usize, other::process_vm_writev),
];

fn memory() -> Arc<AddressSpace> {
    current().memory()
}

/// An address argument without its tag (the top byte, which loads and stores ignore; Linux:
/// Documentation/arch/arm64/tagged-address-abi.rst). Kernel addresses stay what they are.
fn untagged(registers: &TrapFrame, index: usize) -> usize {
    let address = registers.argument(index);
    if address & 1 << 55 == 0 {
        address & ((1 << 56) - 1)
    } else {
        address
    }
}

/// `length` in whole pages; `EINVAL` or `ENOMEM` is the caller's word for one too long.
fn page_aligned(length: usize, too_long: Errno) -> Result<usize> {
    mm::addr::page_up(length).ok_or(too_long)
}

/// RLIMIT_MEMLOCK for `bytes` more, which CAP_IPC_LOCK lifts.
fn may_lock(current: &Current, bytes: usize) -> bool {
    const IPC_LOCK: u64 = 1 << 14;
    let capable = current.credentials().effective.bits() & IPC_LOCK != 0;
    let limit = current.process().rlimit(Resource::LockedMemory);
    let locked = || (current.memory().usage().locked_pages * PAGE_SIZE) as u64;
    capable || locked().saturating_add(bytes as u64) <= limit
}
