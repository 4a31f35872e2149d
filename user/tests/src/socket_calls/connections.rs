//! Connections made and ended.

use super::calls::{events, made, option, receive, send, set_option, socket, tcp_pair};
use crate::harness::{Outcome, Test};
use nix::errno::Errno;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = &[
    (
        "socketcall.connect_without_waiting",
        connect_without_waiting,
    ),
    ("socketcall.accept_flags", accept_flags),
    ("socketcall.linger_resets", linger_resets),
    (
        "socketcall.linger_waits_for_the_peer",
        linger_waits_for_the_peer,
    ),
];

fn connect_without_waiting() -> Outcome {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    for (port, expected) in [(address.port(), 0), (1, libc::ECONNREFUSED)] {
        let tcp = socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0)?;
        let to = nix::sys::socket::SockaddrIn::new(127, 0, 0, 1, port);
        let outcome = match nix::sys::socket::connect(tcp.as_raw_fd(), &to) {
            Err(Errno::EINPROGRESS) => {
                ensure!(events(&tcp, libc::POLLOUT, 5_000)? & libc::POLLOUT != 0);
                option(&tcp, libc::SOL_SOCKET, libc::SO_ERROR)?
            }
            // Loopback may have answered already.
            Ok(()) => 0,
            Err(error) => error as i32,
        };
        ensure_eq!(outcome, expected);
        ensure_eq!(option(&tcp, libc::SOL_SOCKET, libc::SO_ERROR)?, 0);
    }
    Ok(())
}

fn accept_flags() -> Outcome {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let _client = TcpStream::connect(listener.local_addr()?)?;
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no address is asked for.
    let accepted = made(unsafe {
        libc::accept4(
            listener.as_raw_fd(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            flags,
        )
    })?;
    // SAFETY: takes no pointers.
    unsafe {
        ensure!(libc::fcntl(accepted.as_raw_fd(), libc::F_GETFD) & libc::FD_CLOEXEC != 0);
        ensure!(libc::fcntl(accepted.as_raw_fd(), libc::F_GETFL) & libc::O_NONBLOCK != 0);
    }
    ensure_eq!(receive(&accepted, &mut [0], 0).err(), Some(Errno::EAGAIN));
    listener.set_nonblocking(true)?;
    ensure_eq!(
        listener.accept().map(drop).map_err(|error| error.kind()),
        Err(std::io::ErrorKind::WouldBlock)
    );
    let link = std::fs::read_link(format!("/proc/self/fd/{}", accepted.as_raw_fd()))?;
    ensure!(link.to_string_lossy().starts_with("socket:["), "{link:?}");
    Ok(())
}

fn linger_resets() -> Outcome {
    let (mut client, server) = tcp_pair()?;
    set_option(
        &server,
        libc::SOL_SOCKET,
        libc::SO_LINGER,
        libc::linger {
            l_onoff: 1,
            l_linger: 0,
        },
    )?;
    drop(server);
    let error = client.read(&mut [0]).map_err(|error| error.raw_os_error());
    ensure_eq!(error, Err(Some(libc::ECONNRESET)));
    ensure_eq!(client.read(&mut [0])?, 0);
    Ok(())
}

/// A close that lingers is over once the peer has everything, not when the time is.
fn linger_waits_for_the_peer() -> Outcome {
    let (mut client, server) = tcp_pair()?;
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 60,
    };
    set_option(&server, libc::SOL_SOCKET, libc::SO_LINGER, linger)?;
    send(&server, &[7; 20_000], 0)?;
    let start = Instant::now();
    drop(server);
    ensure!(start.elapsed() < Duration::from_secs(50));
    let mut all = Vec::new();
    client.read_to_end(&mut all)?;
    ensure_eq!(all.len(), 20_000);
    Ok(())
}
