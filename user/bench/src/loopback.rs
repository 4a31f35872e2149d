//! TCP connections to oneself. A bare initramfs on Linux leaves the loopback device down, so
//! it is brought up first; Weft's is always up.

use crate::measure::Trouble;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

nix::ioctl_write_ptr_bad!(set_flags, libc::SIOCSIFFLAGS, libc::ifreq);

/// Both ends of a connection, without Nagle's delay.
pub fn connection() -> Result<(TcpStream, TcpStream), Trouble> {
    let listener = listen()?;
    let here = TcpStream::connect(listener.local_addr()?)?;
    let (there, _) = listener.accept()?;
    here.set_nodelay(true)?;
    there.set_nodelay(true)?;
    Ok((here, there))
}

fn listen() -> Result<TcpListener, Trouble> {
    let anywhere = (Ipv4Addr::LOCALHOST, 0);
    if let Ok(listener) = TcpListener::bind(anywhere) {
        // Linux lets a socket bind while the device is down; connecting then fails.
        bring_up();
        return Ok(listener);
    }
    bring_up();
    Ok(TcpListener::bind(anywhere)?)
}

/// Has no effect where there is no such call; connecting says what is wrong then.
fn bring_up() {
    let Ok(socket) = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)) else {
        return;
    };
    // SAFETY: all zeroes is a valid ifreq: integers, and a name of length zero.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request outlives the call and has the type that SIOCSIFFLAGS reads.
    let _ = unsafe { set_flags(socket.as_raw_fd(), &request) };
}
