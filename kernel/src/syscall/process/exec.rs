//! execve(2) and execveat(2).

use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::{Caller, OpenFile};
use crate::process::current;
use crate::process::exec::{self, ARGUMENTS_LIMIT, Request, stack::Strings};
use crate::user_memory::{UserPtr, read_c_bytes};
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::general::*;

pub(super) fn execve(registers: &mut TrapFrame) -> Result<usize> {
    let path = read_c_bytes(registers.argument(0), PATH_MAX as usize - 1)?;
    let file = Caller::current().open_program(None, &path, true)?;
    let (arguments, environment) = (registers.argument(1), registers.argument(2));
    run(registers, file, path, arguments, environment)
}

pub(super) fn execveat(registers: &mut TrapFrame) -> Result<usize> {
    let fd = registers.argument(0) as i32;
    let path = read_c_bytes(registers.argument(1), PATH_MAX as usize - 1)?;
    let flags = registers.argument(4) as u32;
    if flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let caller = Caller::current();
    let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
    let file = if fd == AT_FDCWD || path.first() == Some(&b'/') {
        caller.open_program(None, &path, follow)?
    } else {
        let base = current().file(fd as u32)?;
        if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
            caller.check_program(&base.opened().ok_or(Errno::EACCES)?.place)?;
            base
        } else {
            caller.open_program(Some(base.directory()?), &path, follow)?
        }
    };
    let path = if path.first() == Some(&b'/') || fd == AT_FDCWD {
        path
    } else {
        descriptor_path(fd, &path)
    };
    let (arguments, environment) = (registers.argument(2), registers.argument(3));
    run(registers, file, path, arguments, environment)
}

/// How a program run by descriptor is called (execveat(2)).
fn descriptor_path(fd: i32, path: &[u8]) -> Vec<u8> {
    let mut name = alloc::format!("/dev/fd/{fd}").into_bytes();
    if !path.is_empty() {
        name.push(b'/');
        name.extend_from_slice(path);
    }
    name
}

fn run(
    registers: &mut TrapFrame,
    file: Arc<OpenFile>,
    path: Vec<u8>,
    arguments: usize,
    environment: usize,
) -> Result<usize> {
    let mut room = ARGUMENTS_LIMIT;
    let mut arguments = read_strings(arguments, &mut room)?;
    let environment = read_strings(environment, &mut room)?;
    if arguments.count == 0 {
        arguments.push(b"")?; // as Linux since 5.18
    }
    exec::execute(
        registers,
        Request {
            file,
            path,
            arguments,
            environment,
        },
    )?;
    Ok(0)
}

/// A null-terminated array of strings; null is an empty one. `E2BIG` when `room` is used up.
fn read_strings(address: usize, room: &mut usize) -> Result<Strings> {
    const STRING_LIMIT: usize = 128 << 10;
    let mut strings = Strings::default();
    let pointers = UserPtr::<usize>::new(address);
    if pointers.is_null() {
        return Ok(strings);
    }
    loop {
        let pointer = pointers.element(strings.count).read()?;
        if pointer == 0 {
            return Ok(strings);
        }
        let string =
            read_c_bytes(pointer, STRING_LIMIT.min(*room)).map_err(|error| match error {
                Errno::ENAMETOOLONG => Errno::E2BIG,
                other => other,
            })?;
        let used = string.len() + 1 + size_of::<usize>();
        *room = room.checked_sub(used).ok_or(Errno::E2BIG)?;
        strings.push(&string)?;
    }
}
