//! Moving bytes: read, write, lseek, sendfile, copy_file_range.

use super::{file_at, real_file_at};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::node::FileType;
use crate::fs::{Fd, OpenFile, tmpfs};
use crate::process;
use crate::syscall::Calls;
use crate::user_memory::{Sink, Source, UserPtr};
use linux_raw_sys::general::*;

pub const CALLS: &Calls = &[
    (__NR_lseek as usize, lseek),
    (__NR_read as usize, read),
    (__NR_write as usize, write),
    (__NR_pread64 as usize, pread64),
    (__NR_pwrite64 as usize, pwrite64),
    (__NR_sendfile as usize, sendfile),
    (__NR_readahead as usize, readahead),
    (__NR_copy_file_range as usize, copy_file_range),
];

/// The most that one call moves (MAX_RW_COUNT).
pub const MAX_COUNT: usize = 0x7fff_f000;
/// Files are copied within the kernel in pieces of this size.
const PIECE: usize = 16 * 1024;

/// Moves bytes through the open file of the descriptor in argument 0.
#[inline(always)]
fn through(frame: &TrapFrame, call: impl FnOnce(&OpenFile) -> Result<usize>) -> Result<usize> {
    // SAFETY: what moves bytes neither opens nor closes descriptors.
    unsafe { process::current().with_file(frame.argument(0) as Fd, call) }
}

/// The buffer in arguments 1 and 2, to be filled.
fn sink(frame: &TrapFrame) -> Sink<'static> {
    Sink::user(frame.argument(1), frame.argument(2).min(MAX_COUNT))
}

/// The same, to be taken from.
fn source(frame: &TrapFrame) -> Source<'static> {
    Source::user(frame.argument(1), frame.argument(2).min(MAX_COUNT))
}

fn read(frame: &mut TrapFrame) -> Result<usize> {
    through(frame, |file| file.read(&mut sink(frame)))
}

fn write(frame: &mut TrapFrame) -> Result<usize> {
    through(frame, |file| file.write(&mut source(frame)))
}

fn pread64(frame: &mut TrapFrame) -> Result<usize> {
    let at = position(frame.argument(3));
    through(frame, |file| file.read_at(at?, &mut sink(frame)))
}

fn pwrite64(frame: &mut TrapFrame) -> Result<usize> {
    let at = position(frame.argument(3));
    through(frame, |file| file.write_at(at?, &mut source(frame)))
}

/// A file position: negative ones are `EINVAL`.
pub fn position(argument: usize) -> Result<u64> {
    u64::try_from(argument as i64).map_err(|_| Errno::EINVAL)
}

fn lseek(frame: &mut TrapFrame) -> Result<usize> {
    const SET: usize = 0;
    const CURRENT: usize = 1;
    const END: usize = 2;
    const DATA: usize = 3;
    const HOLE: usize = 4;
    let file = real_file_at(frame, 0)?;
    file.check_seekable()?;
    let (by, whence) = (frame.argument(1) as i64, frame.argument(2));
    file.with_offset(|offset| {
        let new = match whence {
            SET => Some(by),
            CURRENT => (*offset as i64).checked_add(by),
            END => (size(&file) as i64).checked_add(by),
            DATA | HOLE => Some(seek_data(&file, by, whence == HOLE)?),
            _ => return Err(Errno::EINVAL),
        };
        let new = new.ok_or(Errno::EOVERFLOW)?;
        *offset = u64::try_from(new).map_err(|_| Errno::EINVAL)?;
        Ok(new as usize)
    })
}

fn size(file: &OpenFile) -> u64 {
    file.metadata().size
}

/// SEEK_DATA, SEEK_HOLE: files that know no holes are all data.
fn seek_data(file: &OpenFile, from: i64, hole: bool) -> Result<i64> {
    let from = u64::try_from(from).map_err(|_| Errno::ENXIO)?;
    let node = file
        .node()
        .map(|node| node.as_any().downcast::<tmpfs::inode::Inode>());
    let found = match node {
        Some(Ok(inode)) => inode.contents()?.seek_data(from, hole),
        _ => (from < size(file)).then(|| if hole { size(file) } else { from }),
    };
    found.map(|at| at as i64).ok_or(Errno::ENXIO)
}

fn readahead(frame: &mut TrapFrame) -> Result<usize> {
    // Everything is in memory already.
    let file = file_at(frame, 0)?;
    file.check_readable()?;
    if file.metadata().file_type == FileType::Regular {
        Ok(0)
    } else {
        Err(Errno::EINVAL)
    }
}

/// Where one side of a copy goes on: its own offset, or one that the caller keeps.
enum Cursor {
    Shared,
    Given(UserPtr<i64>, u64),
}

impl Cursor {
    /// `pointer` is where the caller keeps the offset, null for the file's own.
    fn new(file: &OpenFile, pointer: usize) -> Result<Self> {
        match UserPtr::<i64>::new(pointer).optional() {
            None => Ok(Cursor::Shared),
            Some(pointer) => {
                file.check_seekable()?;
                Ok(Cursor::Given(pointer, position(pointer.read()? as usize)?))
            }
        }
    }

    fn offset(&self, file: &OpenFile) -> u64 {
        match self {
            Cursor::Shared => file.offset(),
            Cursor::Given(_, offset) => *offset,
        }
    }

    fn advance(&mut self, file: &OpenFile, count: usize) -> Result<()> {
        match self {
            Cursor::Shared => file.with_offset(|offset| {
                *offset += count as u64;
                Ok(())
            }),
            Cursor::Given(_, offset) => {
                *offset += count as u64;
                Ok(())
            }
        }
    }

    /// Tells the caller where the copy ended.
    fn finish(self) -> Result<()> {
        match self {
            Cursor::Shared => Ok(()),
            Cursor::Given(pointer, offset) => pointer.write(offset as i64),
        }
    }
}

fn sendfile(frame: &mut TrapFrame) -> Result<usize> {
    let (output, input) = (file_at(frame, 0)?, file_at(frame, 1)?);
    input.check_readable()?;
    output.check_writable()?;
    if !input.file().seekable() || output.flags().contains(crate::fs::OpenFlags::APPEND) {
        return Err(Errno::EINVAL);
    }
    let mut from = Cursor::new(&input, frame.argument(2))?;
    let write = |piece: &[u8]| output.write(&mut Source::Kernel(piece));
    let moved = copy(&input, &mut from, frame.argument(3).min(MAX_COUNT), write)?;
    from.finish()?;
    Ok(moved)
}

fn copy_file_range(frame: &mut TrapFrame) -> Result<usize> {
    let (input, output) = (file_at(frame, 0)?, file_at(frame, 2)?);
    input.check_readable()?;
    output.check_writable()?;
    for file in [&input, &output] {
        match file.metadata().file_type {
            FileType::Regular => {}
            FileType::Directory => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        }
    }
    if frame.argument(5) != 0 {
        return Err(Errno::EINVAL);
    }
    let mut from = Cursor::new(&input, frame.argument(1))?;
    let mut to = Cursor::new(&output, frame.argument(3))?;
    let count = frame.argument(4).min(MAX_COUNT);
    let (start, target) = (from.offset(&input), to.offset(&output));
    let same = input.metadata().id == output.metadata().id;
    if same
        && start < target.saturating_add(count as u64)
        && target < start.saturating_add(count as u64)
    {
        return Err(Errno::EINVAL);
    }
    let write = |piece: &[u8]| {
        let count = output.write_at(to.offset(&output), &mut Source::Kernel(piece))?;
        to.advance(&output, count)?;
        Ok(count)
    };
    let moved = copy(&input, &mut from, count, write)?;
    from.finish()?;
    to.finish()?;
    Ok(moved)
}

/// Moves up to `count` bytes of `input` through `write`; an error counts only if nothing moved.
fn copy(
    input: &OpenFile,
    from: &mut Cursor,
    count: usize,
    mut write: impl FnMut(&[u8]) -> Result<usize>,
) -> Result<usize> {
    let mut buffer = alloc::vec![0; PIECE.min(count)];
    let mut moved = 0;
    while moved < count {
        let piece = &mut buffer[..PIECE.min(count - moved)];
        let read = input.read_at(from.offset(input), &mut Sink::Kernel(piece));
        let step = read.and_then(|got| {
            let written = if got == 0 { 0 } else { write(&piece[..got])? };
            Ok((got, written))
        });
        let (got, written) = match step {
            Err(error) if moved == 0 => return Err(error),
            Err(_) => break,
            Ok(step) => step,
        };
        from.advance(input, written)?;
        moved += written;
        if written < got || got == 0 {
            break;
        }
    }
    Ok(moved)
}
