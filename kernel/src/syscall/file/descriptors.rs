//! open, close, dup, memfd_create.

use super::{base, file_at, files, path_at};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::path::Rules;
use crate::fs::{Caller, Fd, OpenFlags, memfd};
use crate::syscall::Calls;
use crate::user_memory::{UserPtr, read_c_bytes};
use alloc::vec::Vec;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[
    (__NR_dup as usize, dup),
    (__NR_dup3 as usize, dup3),
    (__NR_openat as usize, openat),
    (__NR_close as usize, close),
    (__NR_memfd_create as usize, memfd_create),
    (__NR_close_range as usize, close_range),
    (__NR_openat2 as usize, openat2),
];

fn openat(frame: &mut TrapFrame) -> Result<usize> {
    let path = path_at(frame, 1)?;
    let flags = OpenFlags::from_bits_truncate(frame.argument(2) as u32);
    open(
        frame.argument(0),
        &path,
        flags,
        frame.argument(3) as u16,
        Rules::FOLLOW,
        false,
    )
}

fn open(
    dirfd: usize,
    path: &[u8],
    flags: OpenFlags,
    mode: u16,
    rules: Rules,
    in_root: bool,
) -> Result<usize> {
    if flags.contains(OpenFlags::TMPFILE) {
        return Err(Errno::EOPNOTSUPP);
    }
    let mut caller = Caller::current();
    // With RESOLVE_IN_ROOT an absolute path, too, starts at the directory.
    let base = base(dirfd, if in_root { b"" } else { path })?;
    if in_root {
        caller.confine(base.as_ref());
    }
    let file = caller.open_with(base.as_ref(), path, flags, mode & 0o7777, rules)?;
    files()
        .insert(file, flags.contains(OpenFlags::CLOEXEC))
        .map(|fd| fd as usize)
}

/// `struct open_how`.
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

impl OpenHow {
    const SIZE: usize = 24;

    /// Reads `size` bytes of it: perhaps more than are known, which must be 0 then.
    fn read(address: usize, size: usize) -> Result<Self> {
        if size < Self::SIZE {
            return Err(Errno::EINVAL);
        }
        let bytes =
            UserPtr::<u8>::new(address)
                .read_array(size, 4096)
                .map_err(|error| match error {
                    Errno::EINVAL => Errno::E2BIG,
                    other => other,
                })?;
        if bytes[Self::SIZE..].iter().any(|&byte| byte != 0) {
            return Err(Errno::E2BIG);
        }
        let byte = |word: usize, byte| bytes[word * 8 + byte];
        let word = |word| u64::from_le_bytes(core::array::from_fn(|at| byte(word, at)));
        Ok(Self {
            flags: word(0),
            mode: word(1),
            resolve: word(2),
        })
    }

    /// The flags, if all are known and mode and rules go with them.
    fn flags(&self) -> Result<OpenFlags> {
        let flags = u32::try_from(self.flags)
            .ok()
            .and_then(OpenFlags::from_bits)
            .ok_or(Errno::EINVAL)?;
        let creates = flags.intersects(OpenFlags::CREAT | OpenFlags::TMPFILE);
        let (mode, resolve) = (self.mode, self.resolve);
        if mode & !0o7777 != 0 || (mode != 0 && !creates) || resolve & !31 != 0 {
            return Err(Errno::EINVAL);
        }
        Ok(flags)
    }
}

fn openat2(frame: &mut TrapFrame) -> Result<usize> {
    const NO_CROSSING: u64 = 1;
    const NO_MAGIC_LINKS: u64 = 2;
    const NO_SYMLINKS: u64 = 4;
    const BENEATH: u64 = 8;
    const IN_ROOT: u64 = 16;
    let how = OpenHow::read(frame.argument(2), frame.argument(3))?;
    let flags = how.flags()?;
    let set = |bit| how.resolve & bit != 0;
    let rules = Rules {
        no_crossing: set(NO_CROSSING),
        no_magic_links: set(NO_MAGIC_LINKS | NO_SYMLINKS | BENEATH | IN_ROOT),
        no_symlinks: set(NO_SYMLINKS),
        beneath: set(BENEATH),
        ..Rules::FOLLOW
    };
    let path = path_at(frame, 1)?;
    let mode = how.mode as u16;
    open(frame.argument(0), &path, flags, mode, rules, set(IN_ROOT))
}

fn close(frame: &mut TrapFrame) -> Result<usize> {
    files().remove(frame.argument(0) as Fd).map(|_| 0)
}

fn close_range(frame: &mut TrapFrame) -> Result<usize> {
    const CLOEXEC: u32 = 4;
    let (first, last, flags) = (
        frame.argument(0) as Fd,
        frame.argument(1) as Fd,
        frame.argument(2) as u32,
    );
    if first > last || flags & !CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    match flags & CLOEXEC != 0 {
        true => files().set_close_on_exec_range(first, last),
        false => files().close_range(first, last),
    }
    Ok(0)
}

fn dup(frame: &mut TrapFrame) -> Result<usize> {
    let file = file_at(frame, 0)?;
    files().insert(file, false).map(|fd| fd as usize)
}

fn dup3(frame: &mut TrapFrame) -> Result<usize> {
    let (old, new) = (frame.argument(0) as Fd, frame.argument(1) as Fd);
    let flags = OpenFlags::from_bits_retain(frame.argument(2) as u32);
    if old == new || !(flags - OpenFlags::CLOEXEC).is_empty() {
        return Err(Errno::EINVAL);
    }
    let files = files();
    let file = files.get(old)?;
    // What `new` was before is closed here, without telling errors, as dup3(2) does.
    drop(files.replace(new, file, flags.contains(OpenFlags::CLOEXEC))?);
    Ok(new as usize)
}

fn memfd_create(frame: &mut TrapFrame) -> Result<usize> {
    const CLOEXEC: u32 = 1;
    const ALLOW_SEALING: u32 = 2;
    const NAME_MAX: usize = 249;
    let flags = frame.argument(1) as u32;
    super::check_flags(flags, CLOEXEC | ALLOW_SEALING)?;
    let label: Vec<u8> =
        read_c_bytes(frame.argument(0), NAME_MAX).map_err(|error| match error {
            Errno::ENAMETOOLONG => Errno::EINVAL,
            other => other,
        })?;
    let file = memfd::create(&Caller::current(), &label, flags & ALLOW_SEALING != 0)?;
    files()
        .insert(file, flags & CLOEXEC != 0)
        .map(|fd| fd as usize)
}
