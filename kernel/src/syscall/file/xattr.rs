//! Extended attributes: no file system here has any, which is what these calls tell.

use super::{file_at, path_at};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::Caller;
use crate::syscall::Handler;

pub const CALLS: &[(usize, Handler)] = &[
    (5, by_path),
    (6, by_link),
    (7, by_descriptor),
    (8, by_path),
    (9, by_link),
    (10, by_descriptor),
    (11, list),
    (12, list_link),
    (13, list_descriptor),
    (14, by_path),
    (15, by_link),
    (16, by_descriptor),
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
