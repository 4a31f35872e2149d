//! Numbers of open files.

use crate::harness::{Folder, Outcome, Test, child, succeeds};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open};
use nix::sys::stat::Mode;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;

pub const TESTS: &[Test] = &[
    (
        "descriptor.duplicates_share_position",
        duplicates_share_position,
    ),
    ("descriptor.lowest_is_taken", lowest_is_taken),
    ("descriptor.flags", flags),
    ("descriptor.invalid", invalid),
];

fn duplicates_share_position() -> Outcome {
    let folder = Folder::new()?;
    fs::write(folder.path("f"), "abcdef")?;
    let mut file = File::open(folder.path("f"))?;
    let mut other = File::from(nix::unistd::dup(&file)?);
    let mut two = [0; 2];
    file.read_exact(&mut two)?;
    other.read_exact(&mut two)?;
    ensure_eq!(&two, b"cd");
    succeeds(child(|| i32::from(other.read_exact(&mut two).is_err()))?)?;
    ensure_eq!(file.read(&mut two)?, 0); // the child took the rest
    Ok(())
}

fn lowest_is_taken() -> Outcome {
    let null = || open("/dev/null", OFlag::O_RDONLY, Mode::empty());
    let (first, second) = (null()?, null()?);
    let number = first.as_raw_fd();
    drop(first);
    let again = null()?;
    ensure_eq!(again.as_raw_fd(), number);
    ensure!(second.as_raw_fd() != number);
    let high = fcntl(&second, FcntlArg::F_DUPFD_CLOEXEC(100))?;
    ensure!(high >= 100);
    Ok(())
}

fn flags() -> Outcome {
    let file = open(
        "/dev/null",
        OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_APPEND,
        Mode::empty(),
    )?;
    ensure_eq!(fcntl(&file, FcntlArg::F_GETFD)?, FdFlag::FD_CLOEXEC.bits());
    let found = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
    ensure!(found.contains(OFlag::O_RDWR | OFlag::O_APPEND) && !found.contains(OFlag::O_CLOEXEC));
    fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty()))?;
    ensure_eq!(fcntl(&file, FcntlArg::F_GETFD)?, 0);
    Ok(())
}

fn invalid() -> Outcome {
    // SAFETY: the descriptors are not open, or not for this; no memory is touched.
    let close = |number| Errno::result(unsafe { libc::close(number) });
    ensure_eq!(close(-1), Err(Errno::EBADF));
    ensure_eq!(close(1_000_000), Err(Errno::EBADF));
    let read_only = File::open("/dev/null")?;
    ensure_eq!(nix::unistd::write(&read_only, b"x"), Err(Errno::EBADF));
    let (reader, _writer) = nix::unistd::pipe()?;
    ensure_eq!(
        nix::unistd::lseek(&reader, 0, nix::unistd::Whence::SeekSet),
        Err(Errno::ESPIPE)
    );
    Ok(())
}
