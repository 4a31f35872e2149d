//! Options, and what is told of interfaces.

use super::calls::{check, events, option, receive, set_option, socket};
use crate::harness::{Outcome, Test};
use nix::errno::Errno;
use std::mem::zeroed;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

pub const TESTS: &[Test] = &[
    ("socketcall.options_are_kept", options_are_kept),
    ("socketcall.cork_keeps_nothing", cork_keeps_nothing),
    ("socketcall.errors_without_a_peer", errors_without_a_peer),
    ("socketcall.interface_list", interface_list),
];

fn options_are_kept() -> Outcome {
    let tcp = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    for (level, name) in [
        (libc::SOL_SOCKET, libc::SO_REUSEADDR),
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
        (libc::IPPROTO_TCP, libc::TCP_NODELAY),
        (libc::IPPROTO_TCP, libc::TCP_CORK),
    ] {
        ensure_eq!(option(&tcp, level, name)?, 0);
        set_option(&tcp, level, name, 1)?;
        ensure!(option(&tcp, level, name)? != 0);
    }
    set_option(&tcp, libc::SOL_SOCKET, libc::SO_RCVBUF, 8192)?;
    ensure_eq!(option(&tcp, libc::SOL_SOCKET, libc::SO_RCVBUF)?, 16384);
    ensure_eq!(
        option(&tcp, libc::SOL_SOCKET, libc::SO_TYPE)?,
        libc::SOCK_STREAM
    );
    ensure_eq!(
        option(&tcp, libc::SOL_SOCKET, libc::SO_DOMAIN)?,
        libc::AF_INET
    );
    ensure_eq!(option(&tcp, libc::SOL_SOCKET, libc::SO_ACCEPTCONN)?, 0);
    // SAFETY: takes no pointers.
    ensure_eq!(unsafe { libc::listen(tcp.as_raw_fd(), 1) }, 0);
    ensure_eq!(option(&tcp, libc::SOL_SOCKET, libc::SO_ACCEPTCONN)?, 1);
    Ok(())
}

/// With `IP_RECVERR` (the C library's resolver asks for it) a socket that is not connected hears
/// that nobody listens; without it, it does not.
fn errors_without_a_peer() -> Outcome {
    let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let plain = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let curious = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    ensure_eq!(option(&curious, libc::IPPROTO_IP, libc::IP_RECVERR)?, 0);
    set_option(&curious, libc::IPPROTO_IP, libc::IP_RECVERR, 1)?;
    ensure_eq!(option(&curious, libc::IPPROTO_IP, libc::IP_RECVERR)?, 1);
    plain.send_to(b"hello", closed)?;
    curious.send_to(b"hello", closed)?;
    ensure!(events(&curious, 0, -1)? & libc::POLLERR != 0);
    let told = receive(&curious, &mut [0; 8], libc::MSG_DONTWAIT);
    ensure_eq!(told, Err(Errno::ECONNREFUSED));
    let silent = receive(&plain, &mut [0; 8], libc::MSG_DONTWAIT);
    ensure_eq!(silent, Err(Errno::EAGAIN));
    Ok(())
}

fn interface_list() -> Outcome {
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    // SAFETY: all integers.
    let mut request: libc::ifreq = unsafe { zeroed() };
    request.ifr_name[..2].copy_from_slice(&[b'l' as _, b'o' as _]);
    // SAFETY: SIOCGIFFLAGS fills an ifreq.
    check(unsafe { libc::ioctl(udp.as_raw_fd(), libc::SIOCGIFFLAGS as _, &mut request) } as isize)?;
    // SAFETY: that call sets the flags.
    let flags = i32::from(unsafe { request.ifr_ifru.ifru_flags });
    ensure!(flags & libc::IFF_LOOPBACK != 0 && flags & libc::IFF_UP != 0);
    request.ifr_name[0] = b'x' as _;
    // SAFETY: as above.
    let unknown = unsafe { libc::ioctl(udp.as_raw_fd(), libc::SIOCGIFFLAGS as _, &mut request) };
    ensure_eq!(check(unknown as isize).err(), Some(Errno::ENODEV));
    let mut waiting = 9i32;
    udp.send_to(b"four", udp.local_addr()?)?;
    // SAFETY: FIONREAD writes an int.
    check(unsafe { libc::ioctl(udp.as_raw_fd(), libc::FIONREAD as _, &mut waiting) } as isize)?;
    ensure_eq!(waiting, 4);
    Ok(())
}

/// What a corked connection holds back comes when it is uncorked, and by itself at last.
fn cork_keeps_nothing() -> Outcome {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let mut sender = std::net::TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    sender.set_nodelay(true)?;
    let cork = |sender: &std::net::TcpStream, on: i32| {
        set_option(sender, libc::IPPROTO_TCP, libc::TCP_CORK, on)
    };
    let mut heard = [0; 6];
    cork(&sender, 1)?;
    sender.write_all(b"he")?;
    sender.write_all(b"ad, ")?;
    cork(&sender, 0)?;
    receiver.read_exact(&mut heard)?;
    ensure_eq!(&heard, b"head, ");
    cork(&sender, 1)?;
    sender.write_all(b"bo")?;
    sender.write_all(b"dy")?;
    receiver.read_exact(&mut heard[..4])?;
    ensure_eq!(&heard[..4], b"body");
    Ok(())
}
