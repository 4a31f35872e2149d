//! What the socket calls refuse.

use super::calls::{check, option, receive, send, set_option, socket, tcp_pair};
use crate::harness::{Outcome, Test};
use nix::errno::Errno;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

pub const TESTS: &[Test] = &[
    (
        "socketcall.kinds_that_are_not_there",
        kinds_that_are_not_there,
    ),
    ("socketcall.bad_arguments", bad_arguments),
    ("socketcall.wrong_states", wrong_states),
];

fn kinds_that_are_not_there() -> Outcome {
    ensure_eq!(
        socket(99, libc::SOCK_STREAM, 0).err(),
        Some(Errno::EAFNOSUPPORT)
    );
    ensure_eq!(socket(libc::AF_INET, 13, 0).err(), Some(Errno::EINVAL));
    ensure_eq!(
        socket(libc::AF_INET, libc::SOCK_SEQPACKET, 0).err(),
        Some(Errno::ESOCKTNOSUPPORT)
    );
    ensure_eq!(
        socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_UDP).err(),
        Some(Errno::EPROTONOSUPPORT)
    );
    ensure_eq!(
        socket(libc::AF_UNIX, libc::SOCK_STREAM, 7).err(),
        Some(Errno::EPROTONOSUPPORT)
    );
    let mut both = [0; 2];
    // SAFETY: room for two numbers.
    let inet = unsafe { libc::socketpair(libc::AF_INET, libc::SOCK_STREAM, 0, both.as_mut_ptr()) };
    ensure_eq!(check(inet as isize).err(), Some(Errno::EOPNOTSUPP));
    Ok(())
}

fn bad_arguments() -> Outcome {
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let fd = udp.as_raw_fd();
    let wild = 8 as *mut libc::c_void;
    // SAFETY: the pointers are bad on purpose; the kernel must refuse them.
    unsafe {
        ensure_eq!(
            check(libc::send(fd, wild, 4, 0)).err(),
            Some(Errno::EDESTADDRREQ)
        );
        ensure_eq!(
            check(libc::bind(fd, wild.cast(), 16) as isize).err(),
            Some(Errno::EFAULT)
        );
        ensure_eq!(
            check(libc::connect(fd, wild.cast(), 16) as isize).err(),
            Some(Errno::EFAULT)
        );
        ensure_eq!(
            check(libc::connect(fd, wild.cast(), 1000) as isize).err(),
            Some(Errno::EINVAL)
        );
        ensure_eq!(
            check(libc::getsockname(fd, wild.cast(), wild.cast()) as isize).err(),
            Some(Errno::EFAULT)
        );
        ensure_eq!(
            check(libc::setsockopt(fd, 1, 2, wild, 4) as isize).err(),
            Some(Errno::EFAULT)
        );
        // Not through the C library: some look into the structure themselves.
        ensure_eq!(
            check(libc::syscall(libc::SYS_recvmsg, fd, wild, 0) as isize).err(),
            Some(Errno::EFAULT)
        );
    }
    udp.connect(udp.local_addr()?)?;
    // SAFETY: as above.
    let sent = unsafe { libc::send(fd, wild, 4, 0) };
    ensure_eq!(check(sent).err(), Some(Errno::EFAULT));
    ensure_eq!(
        set_option(&udp, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1u8).err(),
        Some(Errno::EINVAL)
    );
    ensure_eq!(
        option(&udp, libc::SOL_SOCKET, 12345).err(),
        Some(Errno::ENOPROTOOPT)
    );
    let file = std::fs::File::open("/")?;
    ensure_eq!(receive(&file, &mut [0], 0).err(), Some(Errno::ENOTSOCK));
    ensure_eq!(receive(&999, &mut [0], 0).err(), Some(Errno::EBADF));
    Ok(())
}

fn wrong_states() -> Outcome {
    let tcp = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    ensure_eq!(receive(&tcp, &mut [0], 0).err(), Some(Errno::ENOTCONN));
    ensure_eq!(
        send(&tcp, b"x", libc::MSG_NOSIGNAL).err(),
        Some(Errno::EPIPE)
    );
    // SAFETY: takes no pointers that matter.
    unsafe {
        ensure_eq!(
            check(libc::shutdown(tcp.as_raw_fd(), 1) as isize).err(),
            Some(Errno::ENOTCONN)
        );
        ensure_eq!(
            check(
                libc::accept(tcp.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut()) as isize
            )
            .err(),
            Some(Errno::EINVAL)
        );
    }
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    // SAFETY: takes no pointers that matter.
    unsafe {
        ensure_eq!(
            check(libc::listen(udp.as_raw_fd(), 1) as isize).err(),
            Some(Errno::EOPNOTSUPP)
        );
        ensure_eq!(
            check(libc::shutdown(udp.as_raw_fd(), 9) as isize).err(),
            Some(Errno::EINVAL)
        );
    }
    let (client, _server) = tcp_pair()?;
    let again = nix::sys::socket::connect(
        client.as_raw_fd(),
        &nix::sys::socket::SockaddrIn::new(127, 0, 0, 1, 9),
    );
    ensure_eq!(again, Err(Errno::EISCONN));
    Ok(())
}
