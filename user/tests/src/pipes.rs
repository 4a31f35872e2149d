//! Pipes: order, ends, readiness of both ends, and writers that share one.

use crate::harness::{Outcome, Test, child, succeeds};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{pipe, pipe2, read, write};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;

pub const TESTS: &[Test] = &[
    ("pipe.keeps_order", keeps_order),
    (
        "pipe.ends_when_writers_are_gone",
        ends_when_writers_are_gone,
    ),
    ("pipe.broken_without_readers", broken_without_readers),
    ("pipe.does_not_block_when_told", does_not_block_when_told),
    ("pipe.small_writes_stay_whole", small_writes_stay_whole),
    ("pipe.many_readers_share", many_readers_share),
    ("pipe.closes_across_fork", closes_across_fork),
    (
        "pipe.refused_child_holds_no_end",
        refused_child_holds_no_end,
    ),
    ("pipe.fifo_opens_meet", fifo_opens_meet),
    ("pipe.vmsplice_moves_memory", vmsplice_moves_memory),
    ("pipe.vmsplice_is_refused", vmsplice_is_refused),
];

fn keeps_order() -> Outcome {
    const SIZE: usize = 1 << 20;
    let (mut reader, mut writer) = std::io::pipe()?;
    let sender = child(|| {
        let bytes: Vec<u8> = (0..SIZE).map(|index| (index / 7) as u8).collect();
        i32::from(
            bytes
                .chunks(4_097)
                .any(|chunk| writer.write_all(chunk).is_err()),
        )
    })?;
    drop(writer);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    ensure_eq!(bytes.len(), SIZE);
    ensure!(
        bytes
            .iter()
            .enumerate()
            .all(|(index, &byte)| byte == (index / 7) as u8)
    );
    succeeds(sender)
}

fn ends_when_writers_are_gone() -> Outcome {
    let (reader, writer) = pipe()?;
    write(&writer, b"abc")?;
    drop(writer);
    let mut buffer = [0; 10];
    ensure_eq!(read(&reader, &mut buffer)?, 3);
    ensure_eq!(read(&reader, &mut buffer)?, 0);
    Ok(())
}

fn broken_without_readers() -> Outcome {
    let (reader, writer) = pipe()?;
    drop(reader);
    // SAFETY: no handler is installed.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) }?;
    ensure_eq!(write(&writer, b"x"), Err(Errno::EPIPE));
    let killed = crate::harness::end_of(|| {
        // SAFETY: no handler is installed.
        let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
        let _ = write(&writer, b"x");
        0
    })?;
    ensure!(
        matches!(
            killed,
            nix::sys::wait::WaitStatus::Signaled(_, Signal::SIGPIPE, _)
        ),
        "{killed:?}"
    );
    Ok(())
}

fn does_not_block_when_told() -> Outcome {
    let (reader, writer) = pipe2(OFlag::O_NONBLOCK)?;
    ensure_eq!(read(&reader, &mut [0]), Err(Errno::EAGAIN));
    let mut filled = 0;
    while let Ok(count) = write(&writer, &[7; 4096]) {
        filled += count;
        ensure!(filled <= 16 << 20);
    }
    ensure!(filled >= 4096);
    ensure_eq!(write(&writer, b"x"), Err(Errno::EAGAIN));
    let mut drained = 0;
    while let Ok(count @ 1..) = read(&reader, &mut [0; 5000]) {
        drained += count;
    }
    ensure_eq!(drained, filled);
    let flags = OFlag::from_bits_retain(fcntl(&reader, FcntlArg::F_GETFL)?);
    ensure!(flags.contains(OFlag::O_NONBLOCK));
    Ok(())
}

fn small_writes_stay_whole() -> Outcome {
    let (mut reader, writer) = std::io::pipe()?;
    let mut senders = Vec::new();
    for number in 0..6_u8 {
        let mut writer = writer.try_clone()?;
        senders.push(child(|| {
            i32::from((0..300).any(|_| writer.write_all(&[number; 100]).is_err()))
        })?);
    }
    drop(writer);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    ensure_eq!(bytes.len(), 6 * 300 * 100);
    ensure!(
        bytes
            .chunks(100)
            .all(|chunk| chunk.iter().all(|&byte| byte == chunk[0]))
    );
    senders.into_iter().try_for_each(succeeds)
}

fn many_readers_share() -> Outcome {
    let (reader, mut writer) = std::io::pipe()?;
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let mut reader = reader.try_clone()?;
            Ok(std::thread::spawn(move || {
                let mut total = 0;
                while let Ok(count @ 1..) = reader.read(&mut [0; 37]) {
                    total += count;
                }
                total
            }))
        })
        .collect::<std::io::Result<_>>()?;
    drop(reader);
    (0..1_000).try_for_each(|_| writer.write_all(&[1; 50]))?;
    drop(writer);
    ensure_eq!(
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(0))
            .sum::<usize>(),
        50_000
    );
    Ok(())
}

/// A child that is refused late, when it has all it needs but a place for its descriptor's number,
/// leaves nothing open.
fn refused_child_holds_no_end() -> Outcome {
    let (mut reader, writer) = std::io::pipe()?;
    let flags = libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: there is no memory at address 1, so there is no child.
    let refused = Errno::result(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 1, 0, 0) });
    ensure_eq!(refused, Err(Errno::EFAULT));
    drop(writer);
    ensure_eq!(reader.read(&mut [0])?, 0);
    Ok(())
}

fn closes_across_fork() -> Outcome {
    let (reader, writer) = pipe()?;
    let holder = child(|| i32::from(read(&reader, &mut [0]) != Ok(1)))?;
    drop(reader); // the child still reads
    File::from(writer).write_all(b"x")?;
    succeeds(holder)
}

/// Each open waits for the other, even if the writer is gone again before the reader looks.
fn fifo_opens_meet() -> Outcome {
    let folder = crate::harness::Folder::new()?;
    let path = folder.path("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_retain(0o600))?;
    for round in 0..300_u32 {
        let writer = child(|| i32::from(std::fs::write(&path, round.to_ne_bytes()).is_err()))?;
        let bytes = std::fs::read(&path)?;
        ensure_eq!(bytes, round.to_ne_bytes());
        succeeds(writer)?;
    }
    Ok(())
}

/// vmsplice(2).
fn vmsplice(file: &impl AsRawFd, buffers: &mut [&mut [u8]], flags: u32) -> nix::Result<usize> {
    let range = |buffer: &mut &mut [u8]| libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    let ranges: Vec<libc::iovec> = buffers.iter_mut().map(range).collect();
    let (fd, count) = (file.as_raw_fd(), ranges.len());
    // SAFETY: the buffers outlive the call, and the pipe is emptied before they end.
    let answer = unsafe { libc::vmsplice(fd, ranges.as_ptr(), count, flags) };
    Errno::result(answer).map(|count| count as usize)
}

/// Into a pipe and out of it; a call that would have to wait for a reader stops where the pipe is full.
fn vmsplice_moves_memory() -> Outcome {
    let (reader, writer) = pipe()?;
    let (mut first, mut second) = (*b"abc", *b"defgh");
    let moved = vmsplice(&writer, &mut [&mut first, &mut second], 0)?;
    ensure_eq!(moved, 8);
    let mut begin = [0; 5];
    ensure_eq!(read(&reader, &mut begin)?, 5);
    ensure_eq!(&begin, b"abcde");
    let mut rest = [0; 16];
    ensure_eq!(vmsplice(&reader, &mut [&mut rest], 0)?, 3);
    ensure_eq!(&rest[..3], b"fgh");
    let mut much = vec![7; 1 << 20];
    let moved = vmsplice(&writer, &mut [&mut much], 0)?;
    ensure!((4096..=65_536).contains(&moved), "{moved} bytes fit");
    let mut got = vec![0; moved];
    File::from(reader).read_exact(&mut got)?;
    ensure!(got.iter().all(|&byte| byte == 7));
    Ok(())
}

fn vmsplice_is_refused() -> Outcome {
    const NONBLOCK: u32 = libc::SPLICE_F_NONBLOCK;
    let (reader, writer) = pipe()?;
    let mut page = vec![1; 4096];
    ensure_eq!(
        vmsplice(&reader, &mut [&mut page], NONBLOCK),
        Err(Errno::EAGAIN)
    );
    while vmsplice(&writer, &mut [&mut page], NONBLOCK).is_ok() {}
    ensure_eq!(
        vmsplice(&writer, &mut [&mut page], NONBLOCK),
        Err(Errno::EAGAIN)
    );
    ensure_eq!(vmsplice(&writer, &mut [&mut page], 16), Err(Errno::EINVAL));
    let regular = File::open("/proc/self/exe")?;
    ensure_eq!(vmsplice(&regular, &mut [&mut page], 0), Err(Errno::EBADF));
    // SAFETY: an ignored signal has no handler.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) }?;
    drop(reader);
    ensure_eq!(vmsplice(&writer, &mut [&mut page], 0), Err(Errno::EPIPE));
    Ok(())
}
