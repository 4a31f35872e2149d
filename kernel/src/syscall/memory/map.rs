//! mmap, munmap, mprotect, mremap, brk.

use super::{may_lock, memory, page_aligned, untagged};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::{Fd, OpenFile};
use crate::process::{Current, current};
use alloc::sync::Arc;
use linux_raw_sys::general::*;
use mm::PAGE_SIZE;
use mm::space::{Backing, Label, MapFlags, MapRequest, Placement, Prot, RemapTo, SharedMemory};

/// mmap(2).
pub fn mmap(registers: &mut TrapFrame) -> Result<usize> {
    let [hint, length, prot, flags, fd, offset] =
        core::array::from_fn(|index| registers.argument(index));
    let flags = flags as u32;
    if !offset.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    if length == 0 {
        return Err(Errno::EINVAL);
    }
    let length = page_aligned(length, Errno::ENOMEM)?;
    let shared = check_kind(flags)?;
    let caller = current();
    let prot = prot_of(prot)?;
    let mut request = MapRequest {
        placement: placement(hint, flags)?,
        length,
        prot,
        flags: map_flags(flags, shared),
        backing: Backing::Anonymous,
        label: Label::None,
    };
    if request.flags.contains(MapFlags::LOCKED) && !may_lock(&caller, length) {
        return Err(Errno::EAGAIN);
    }
    if flags & MAP_ANONYMOUS == 0 {
        map_file(&caller, &mut request, fd as Fd, offset, shared)?;
    } else if shared {
        request.backing = Backing::Source {
            source: Arc::new(SharedMemory::new()),
            first: 0,
        };
    }
    Ok(caller.memory().map(request)?)
}

/// Whether the mapping is shared; refuses flags that this kernel does not know or do.
fn check_kind(flags: u32) -> Result<bool> {
    /// What MAP_SHARED_VALIDATE vouches for; MAP_SYNC is for persistent memory.
    const KNOWN: u32 = MAP_TYPE
        | MAP_FIXED
        | MAP_ANONYMOUS
        | MAP_POPULATE
        | MAP_NONBLOCK
        | MAP_STACK
        | MAP_FIXED_NOREPLACE
        | MAP_GROWSDOWN
        | MAP_DENYWRITE
        | MAP_EXECUTABLE
        | MAP_LOCKED
        | MAP_NORESERVE
        | MAP_UNINITIALIZED;
    if flags & MAP_HUGETLB != 0 {
        return Err(Errno::EINVAL);
    }
    match flags & MAP_TYPE {
        MAP_SHARED => Ok(true),
        MAP_PRIVATE => Ok(false),
        MAP_SHARED_VALIDATE if flags & !KNOWN != 0 => Err(Errno::EOPNOTSUPP),
        MAP_SHARED_VALIDATE => Ok(true),
        _ => Err(Errno::EINVAL),
    }
}

/// Memory is always overcommitted, so MAP_NORESERVE asks for what there is; MAP_STACK,
/// MAP_DENYWRITE and MAP_EXECUTABLE do nothing in Linux either.
fn map_flags(flags: u32, shared: bool) -> MapFlags {
    let has = |bit| flags & bit != 0;
    let mut result = MapFlags::empty();
    result.set(MapFlags::SHARED, shared);
    result.set(MapFlags::GROWS_DOWN, has(MAP_GROWSDOWN) && !shared);
    result.set(MapFlags::POPULATE, has(MAP_POPULATE) && !has(MAP_NONBLOCK));
    result.set(MapFlags::LOCKED, has(MAP_LOCKED));
    result
}

fn placement(hint: usize, flags: u32) -> Result<Placement> {
    let exact = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) != 0;
    if exact && !hint.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    Ok(match exact {
        // Wins over MAP_FIXED when both are given.
        true if flags & MAP_FIXED_NOREPLACE != 0 => Placement::FixedNoReplace(hint),
        true => Placement::Fixed(hint),
        false => Placement::Hint(hint),
    })
}

/// PROT_SEM is accepted for nothing, as in Linux; BTI and MTE are not offered.
fn prot_of(bits: usize) -> Result<Prot> {
    if bits & !(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM) as usize != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(Prot::from_bits_truncate(bits as u8))
}

/// Fills in what a file is mapped from, if its open mode allows it.
fn map_file(
    caller: &Current,
    request: &mut MapRequest,
    fd: Fd,
    offset: usize,
    shared: bool,
) -> Result<()> {
    let file: Arc<OpenFile> = caller.file(fd)?;
    let mode = file.flags();
    if mode.contains(crate::fs::OpenFlags::PATH) {
        return Err(Errno::EBADF);
    }
    if !mode.readable() || (shared && request.prot.contains(Prot::WRITE) && !mode.writable()) {
        return Err(Errno::EACCES);
    }
    if offset.checked_add(request.length).is_none() {
        return Err(Errno::EOVERFLOW);
    }
    request
        .flags
        .set(MapFlags::NEVER_WRITE, shared && !mode.writable());
    request.flags.remove(MapFlags::GROWS_DOWN);
    let source = file.page_source().ok_or(Errno::ENODEV)?;
    request.backing = Backing::Source {
        source,
        first: (offset / PAGE_SIZE) as u64,
    };
    Ok(())
}

/// munmap(2).
pub fn munmap(registers: &mut TrapFrame) -> Result<usize> {
    memory().unmap(untagged(registers, 0), registers.argument(1))?;
    Ok(0)
}

/// mprotect(2). PROT_GROWSDOWN (extend to the end of a growing area) is not offered.
pub fn mprotect(registers: &mut TrapFrame) -> Result<usize> {
    let (start, prot) = (untagged(registers, 0), prot_of(registers.argument(2))?);
    if !start.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let length = page_aligned(registers.argument(1), Errno::ENOMEM)?;
    if length == 0 {
        return Ok(0);
    }
    check_range(start, length)?;
    memory().protect(start, length, prot)?;
    Ok(0)
}

/// Addresses that no program can have are unmapped, not invalid.
pub(super) fn check_range(start: usize, length: usize) -> Result<()> {
    let end = start.checked_add(length).filter(|&end| end <= mm::USER_END);
    end.map(|_| ()).ok_or(Errno::ENOMEM)
}

/// mremap(2). MREMAP_DONTUNMAP, and an old size of 0 (a second mapping), are not offered.
pub fn mremap(registers: &mut TrapFrame) -> Result<usize> {
    let (start, old, new) = (
        untagged(registers, 0),
        registers.argument(1),
        registers.argument(2),
    );
    let to = match registers.argument(3) as u32 {
        0 => RemapTo::InPlace,
        MREMAP_MAYMOVE => RemapTo::Anywhere,
        flags if flags == MREMAP_MAYMOVE | MREMAP_FIXED => RemapTo::Fixed(registers.argument(4)),
        _ => return Err(Errno::EINVAL),
    };
    Ok(memory().remap(start, old, new, to)?)
}

/// brk(2).
pub fn brk(registers: &mut TrapFrame) -> Result<usize> {
    Ok(memory().set_brk(registers.argument(0)))
}
