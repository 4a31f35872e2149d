//! Pseudo-terminals: the line, its editing, raw mode, sizes and ends.

use crate::harness::{Failure, Outcome, Test, child, status_of, succeeds};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::termios::{LocalFlags, SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{isatty, read, ttyname, write};
use std::fs::Permissions;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

pub const TESTS: &[Test] = &[
    ("terminal.line_is_delivered_whole", line_is_delivered_whole),
    ("terminal.line_can_be_edited", line_can_be_edited),
    ("terminal.echo", echo),
    ("terminal.end_of_file", end_of_file),
    ("terminal.raw_mode", raw_mode),
    ("terminal.output_is_processed", output_is_processed),
    ("terminal.window_size", window_size),
    ("terminal.names", names),
    ("terminal.peer_has_a_name", peer_has_a_name),
    ("terminal.owner_and_mode", owner_and_mode),
    ("terminal.hangs_up", hangs_up),
    ("terminal.several", several),
];

pub fn open() -> Result<OpenptyResult, Failure> {
    Ok(openpty(None::<&Winsize>, None)?)
}

fn read_some(from: &OwnedFd) -> Result<String, Failure> {
    let mut buffer = [0; 256];
    let count = read(from, &mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..count]).into_owned())
}

/// Nothing is to be read within a moment: enough to catch what would be wrong.
fn silent(descriptor: &OwnedFd) -> Result<bool, Failure> {
    Ok(poll(
        &mut [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)],
        50_u8,
    )? == 0)
}

fn without_echo() -> Result<OpenptyResult, Failure> {
    let pair = open()?;
    let mut settings = tcgetattr(&pair.slave)?;
    settings.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&pair.slave, SetArg::TCSANOW, &settings)?;
    Ok(pair)
}

fn line_is_delivered_whole() -> Outcome {
    let pair = without_echo()?;
    write(&pair.master, b"half")?;
    ensure!(silent(&pair.slave)?);
    write(&pair.master, b" and half\nnext\n")?;
    ensure_eq!(read_some(&pair.slave)?, "half and half\n");
    ensure_eq!(read_some(&pair.slave)?, "next\n");
    Ok(())
}

fn line_can_be_edited() -> Outcome {
    let pair = without_echo()?;
    write(&pair.master, b"wrong\x15rigth\x7f\x7fht\n")?;
    ensure_eq!(read_some(&pair.slave)?, "right\n");
    Ok(())
}

fn echo() -> Outcome {
    let pair = open()?;
    write(&pair.master, b"ab\n")?;
    let mut seen = String::new();
    while seen.len() < 4 {
        seen += &read_some(&pair.master)?;
    }
    ensure_eq!(seen, "ab\r\n");
    Ok(())
}

fn end_of_file() -> Outcome {
    let pair = without_echo()?;
    write(&pair.master, b"rest\x04")?;
    ensure_eq!(read_some(&pair.slave)?, "rest");
    write(&pair.master, b"\x04")?;
    ensure_eq!(read_some(&pair.slave)?, "");
    write(&pair.master, b"on\n")?;
    ensure_eq!(read_some(&pair.slave)?, "on\n");
    Ok(())
}

fn raw_mode() -> Outcome {
    let pair = open()?;
    let mut settings = tcgetattr(&pair.slave)?;
    cfmakeraw(&mut settings);
    tcsetattr(&pair.slave, SetArg::TCSANOW, &settings)?;
    write(&pair.master, b"\x03\x04\r")?;
    ensure_eq!(read_some(&pair.slave)?, "\x03\x04\r");
    ensure!(silent(&pair.master)?);
    Ok(())
}

fn output_is_processed() -> Outcome {
    let pair = open()?;
    write(&pair.slave, b"a\nb")?;
    let mut seen = String::new();
    while seen.len() < 4 {
        seen += &read_some(&pair.master)?;
    }
    ensure_eq!(seen, "a\r\nb");
    Ok(())
}

fn window_size() -> Outcome {
    let pair = openpty(
        Some(&Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        }),
        None,
    )?;
    let mut size = Winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    ensure_eq!(
        // SAFETY: TIOCGWINSZ fills one winsize.
        unsafe { libc::ioctl(pair.slave.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) },
        0
    );
    ensure_eq!((size.ws_row, size.ws_col), (24, 80));
    Ok(())
}

fn names() -> Outcome {
    let pair = open()?;
    ensure!(isatty(&pair.slave)? && isatty(&pair.master)?);
    let name = ttyname(&pair.slave)?;
    ensure!(name.starts_with("/dev/pts"), "{name:?}");
    let again = nix::fcntl::open(
        &name,
        nix::fcntl::OFlag::O_RDWR | nix::fcntl::OFlag::O_NOCTTY,
        nix::sys::stat::Mode::empty(),
    )?;
    write(&again, b"x")?;
    ensure_eq!(read_some(&pair.master)?, "x");
    let (reader, _writer) = nix::unistd::pipe()?;
    ensure!(!isatty(&reader).unwrap_or(false));
    Ok(())
}

/// A terminal is whose master opened it; its owner may change the mode, and only root the owner.
fn owner_and_mode() -> Outcome {
    const SOMEBODY: u32 = 60_123;
    let strangers = open()?;
    let theirs = ttyname(&strangers.slave)?;
    std::os::unix::fs::chown(&theirs, Some(60_124), None)?;
    ensure_eq!(std::fs::metadata(&theirs)?.uid(), 60_124);
    ensure_eq!(nix::sys::stat::fstat(&strangers.slave)?.st_uid, 60_124);
    let unprivileged = child(|| {
        status_of((|| {
            nix::unistd::setuid(SOMEBODY.into())?;
            let pair = open()?;
            let name = ttyname(&pair.slave)?;
            ensure_eq!(std::fs::metadata(&name)?.uid(), SOMEBODY);
            std::fs::set_permissions(&name, Permissions::from_mode(0o600))?;
            ensure_eq!(std::fs::metadata(&name)?.mode() & 0o777, 0o600);
            let refused = |error: std::io::Error| error.raw_os_error() == Some(libc::EPERM);
            let change = std::fs::set_permissions(&theirs, Permissions::from_mode(0o666));
            ensure!(change.is_err_and(refused));
            let give_away = std::os::unix::fs::chown(&name, Some(0), None);
            ensure!(give_away.is_err_and(refused));
            Ok(())
        })())
    })?;
    succeeds(unprivileged)
}

/// The slave that TIOCGPTPEER opens is the one in /dev/pts: what glibc's openpty(3) asks for.
fn peer_has_a_name() -> Outcome {
    use std::os::fd::FromRawFd;
    let pair = open()?;
    // SAFETY: the call takes flags and returns a new descriptor.
    let peer = unsafe {
        libc::ioctl(
            pair.master.as_raw_fd(),
            libc::TIOCGPTPEER as _,
            libc::O_RDWR | libc::O_NOCTTY,
        )
    };
    ensure!(peer >= 0);
    // SAFETY: the call has just returned it to us alone.
    let peer = unsafe { OwnedFd::from_raw_fd(peer) };
    ensure_eq!(ttyname(&peer)?, ttyname(&pair.slave)?);
    let (one, other) = (
        nix::sys::stat::fstat(&peer)?,
        nix::sys::stat::fstat(&pair.slave)?,
    );
    ensure_eq!((one.st_ino, one.st_rdev), (other.st_ino, other.st_rdev));
    Ok(())
}

fn hangs_up() -> Outcome {
    let pair = open()?;
    drop(pair.master);
    ensure_eq!(read(&pair.slave, &mut [0])?, 0);
    let pair = open()?;
    write(&pair.slave, b"last words")?;
    drop(pair.slave);
    ensure_eq!(read_some(&pair.master)?, "last words");
    ensure_eq!(read(&pair.master, &mut [0]), Err(Errno::EIO));
    Ok(())
}

fn several() -> Outcome {
    let pairs: Vec<OpenptyResult> = (0..20).map(|_| without_echo()).collect::<Result<_, _>>()?;
    for (number, pair) in pairs.iter().enumerate() {
        write(&pair.master, format!("{number}\n").as_bytes())?;
    }
    for (number, pair) in pairs.iter().enumerate() {
        ensure_eq!(read_some(&pair.slave)?, format!("{number}\n"));
    }
    Ok(())
}
