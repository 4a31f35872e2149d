//! Readiness, time limits and signals.

use super::calls::{events, receive, send, socket, tcp_pair};
use crate::harness::{Outcome, Test, wait_until_asleep};
use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::io::Write;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = &[
    ("socketcall.edge_triggered", edge_triggered),
    ("socketcall.hang_up_is_polled", hang_up_is_polled),
    ("socketcall.interrupted_receive", interrupted_receive),
    ("socketcall.receive_timeout", receive_timeout),
];

/// More data is an event of its own, even when the first was not read.
fn edge_triggered() -> Outcome {
    use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
    let (unix, tcp) = (UnixStream::pair()?, tcp_pair()?);
    let both: [(OwnedFd, OwnedFd); 2] =
        [(unix.0.into(), unix.1.into()), (tcp.0.into(), tcp.1.into())];
    for (here, there) in &both {
        let epoll = Epoll::new(EpollCreateFlags::empty())?;
        epoll.add(
            there,
            EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 7),
        )?;
        let mut found = [EpollEvent::empty(); 4];
        for _ in 0..3 {
            send(here, b"x", 0)?;
            ensure_eq!(epoll.wait(&mut found, EpollTimeout::from(2000u16))?, 1);
            ensure_eq!(epoll.wait(&mut found, EpollTimeout::ZERO)?, 0);
        }
    }
    Ok(())
}

fn hang_up_is_polled() -> Outcome {
    let all = libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP;
    let (here, there) = tcp_pair()?;
    ensure_eq!(events(&here, all, 0)?, libc::POLLOUT);
    there.shutdown(std::net::Shutdown::Write)?;
    ensure!(events(&here, libc::POLLRDHUP, 2000)? != 0);
    ensure_eq!(events(&here, all, 0)?, all);
    here.shutdown(std::net::Shutdown::Write)?;
    ensure_eq!(events(&here, all, 0)?, all | libc::POLLHUP);
    let (here, there) = UnixStream::pair()?;
    drop(there);
    ensure_eq!(events(&here, all, 0)?, all | libc::POLLHUP);
    let fresh = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    ensure_eq!(events(&fresh, all, 0)?, libc::POLLOUT | libc::POLLHUP);
    Ok(())
}

extern "C" fn nothing(_: i32) {}

/// A handler without `SA_RESTART` ends a receive; one with it does not.
fn interrupted_receive() -> Outcome {
    let (here, there) = UnixStream::pair()?;
    for (flags, expected) in [
        (SaFlags::empty(), Err(Errno::EINTR)),
        (SaFlags::SA_RESTART, Ok(1)),
    ] {
        let action = SigAction::new(SigHandler::Handler(nothing), flags, SigSet::empty());
        // SAFETY: the handler does nothing.
        unsafe { sigaction(Signal::SIGUSR1, &action) }?;
        let (me, mut sender) = (nix::unistd::gettid(), here.try_clone()?);
        let helper = std::thread::spawn(move || {
            wait_until_asleep(me);
            let (process, thread) = (std::process::id(), me.as_raw());
            // SAFETY: takes no pointers.
            unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGUSR1) };
            wait_until_asleep(me); // Again: in the call that goes on, or waiting for this thread.
            sender.write_all(b"x")
        });
        ensure_eq!(receive(&there, &mut [0], 0), expected);
        helper.join().expect("the helper does not panic")?;
        if expected.is_err() {
            ensure_eq!(receive(&there, &mut [0], 0), Ok(1));
        }
    }
    Ok(())
}

fn receive_timeout() -> Outcome {
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    udp.set_read_timeout(Some(Duration::from_millis(200)))?;
    ensure_eq!(udp.read_timeout()?, Some(Duration::from_millis(200)));
    let start = Instant::now();
    ensure_eq!(receive(&udp, &mut [0], 0).err(), Some(Errno::EAGAIN));
    let waited = start.elapsed();
    ensure!(
        waited >= Duration::from_millis(190) && waited < Duration::from_secs(20),
        "{waited:?}"
    );
    Ok(())
}
