//! Extended attributes: no file system here has any, which is what these calls tell.

use super::{file_at, path_at};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::Caller;
use crate::syscall::Calls;
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[
    (__NR_setxattr as usize, by_path),
    (__NR_lsetxattr as usize, by_link),
    (__NR_fsetxattr as usize, by_descriptor),
    (__NR_getxattr as usize, by_path),
    (__NR_lgetxattr as usize, by_link),
    (__NR_fgetxattr as usize, by_descriptor),
    (__NR_listxattr as usize, list),
    (__NR_llistxattr as usize, list_link),
    (__NR_flistxattr as usize, list_descriptor),
    (__NR_removexattr as usize, by_path),
    (__NR_lremovexattr as usize, by_link),
    (__NR_fremovexattr as usize, by_descriptor),
];

fn find(frame: &TrapFrame, follow: bool) -> Result<()> {
    let path = path_at(frame, 0)?;
    Caller::current().find(None, &path, follow).map(|_| ())
}

fn by_path(frame: &mut TrapFrame) -> Result<usize> {
    find(frame, true)?;
    Err(Errno::EOPNOTSUPP)
}

fn by_link(frame: &mut TrapFrame) -> Result<usize> {
    find(frame, false)?;
    Err(Errno::EOPNOTSUPP)
}

fn by_descriptor(frame: &mut TrapFrame) -> Result<usize> {
    file_at(frame, 0)?;
    Err(Errno::EOPNOTSUPP)
}

/// The list of attributes is empty: zero bytes.
fn list(frame: &mut TrapFrame) -> Result<usize> {
    find(frame, true).map(|()| 0)
}

fn list_link(frame: &mut TrapFrame) -> Result<usize> {
    find(frame, false).map(|()| 0)
}

fn list_descriptor(frame: &mut TrapFrame) -> Result<usize> {
    file_at(frame, 0).map(|_| 0)
}
