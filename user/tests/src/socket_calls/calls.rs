//! The calls themselves, as the tests want them: with their errors.

use nix::errno::Errno;
use std::mem::size_of;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// The value of a call, or its error.
pub fn check(value: isize) -> Result<usize, Errno> {
    usize::try_from(value).map_err(|_| Errno::last())
}

/// A descriptor that a call made.
pub fn made(value: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: a fresh descriptor that nobody else owns.
    check(value as isize).map(|number| unsafe { OwnedFd::from_raw_fd(number as RawFd) })
}

pub fn socket(family: i32, kind: i32, protocol: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: takes no pointers.
    made(unsafe { libc::socket(family, kind, protocol) })
}

pub fn receive(fd: &impl AsRawFd, buffer: &mut [u8], flags: i32) -> Result<usize, Errno> {
    // SAFETY: the buffer is as long as we say.
    check(unsafe {
        libc::recv(
            fd.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            flags,
        )
    })
}

pub fn send(fd: &impl AsRawFd, data: &[u8], flags: i32) -> Result<usize, Errno> {
    // SAFETY: the buffer is as long as we say.
    check(unsafe { libc::send(fd.as_raw_fd(), data.as_ptr().cast(), data.len(), flags) })
}

pub fn option(fd: &impl AsRawFd, level: i32, name: i32) -> Result<i32, Errno> {
    let (mut value, mut length) = (0i32, 4);
    // SAFETY: an int and its length.
    check(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw mut value).cast(),
            &mut length,
        )
    } as isize)?;
    Ok(value)
}

pub fn set_option<T>(fd: &impl AsRawFd, level: i32, name: i32, value: T) -> Result<usize, Errno> {
    let length = size_of::<T>() as u32;
    // SAFETY: a value and its length.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            length,
        )
    } as isize)
}

pub fn events(fd: &impl AsRawFd, wanted: i16, timeout_ms: i32) -> Result<i16, Errno> {
    let mut entry = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: wanted,
        revents: 0,
    };
    // SAFETY: one entry.
    check(unsafe { libc::poll(&mut entry, 1, timeout_ms) } as isize)?;
    Ok(entry.revents)
}

pub fn pair(kind: i32) -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut both = [0; 2];
    // SAFETY: room for two numbers.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, both.as_mut_ptr()) } as isize)?;
    Ok((made(both[0])?, made(both[1])?))
}

pub fn tcp_pair() -> std::io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    Ok((client, listener.accept()?.0))
}
