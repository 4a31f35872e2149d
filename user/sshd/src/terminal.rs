//! A pseudo-terminal: opened through /dev/ptmx, sized, and asked who is in the foreground.

use nix::fcntl::{OFlag, open};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use std::io::Result;
use std::os::fd::{AsRawFd, OwnedFd};

#[derive(Clone, Copy, Default)]
pub struct Size {
    pub columns: u32,
    pub rows: u32,
}

pub struct Pair {
    pub master: OwnedFd,
    pub slave: OwnedFd,
    pub name: String,
}

pub fn open_pair(size: Size) -> Result<Pair> {
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname_r(&master)?;
    let slave = open(
        name.as_str(),
        OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    let master = OwnedFd::from(master);
    resize(&master, size);
    Ok(Pair {
        master,
        slave,
        name,
    })
}

/// The kernel tells the foreground group by SIGWINCH.
pub fn resize(master: &OwnedFd, size: Size) {
    let size = libc::winsize {
        ws_row: size.rows as u16,
        ws_col: size.columns as u16,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCSWINSZ reads one `winsize`, which outlives the call.
    unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
}
