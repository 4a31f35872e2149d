//! The finer points of the socket calls: errors, flags, timeouts, control data, readiness.

use crate::harness::{Folder, Outcome, Test, wait_until_asleep};
use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::io::{Read, Write};
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = &[
    (
        "socketcall.kinds_that_are_not_there",
        kinds_that_are_not_there,
    ),
    ("socketcall.bad_arguments", bad_arguments),
    ("socketcall.wrong_states", wrong_states),
    ("socketcall.peek_and_truncate", peek_and_truncate),
    ("socketcall.wait_for_all", wait_for_all),
    ("socketcall.broken_pipe_signal", broken_pipe_signal),
    (
        "socketcall.connect_without_waiting",
        connect_without_waiting,
    ),
    ("socketcall.accept_flags", accept_flags),
    ("socketcall.names_of_files", names_of_files),
    ("socketcall.abstract_names", abstract_names),
    ("socketcall.sequenced_packets", sequenced_packets),
    ("socketcall.full_queue", full_queue),
    ("socketcall.peer_credentials", peer_credentials),
    (
        "socketcall.control_data_that_does_not_fit",
        control_data_that_does_not_fit,
    ),
    ("socketcall.many_messages", many_messages),
    ("socketcall.edge_triggered", edge_triggered),
    ("socketcall.hang_up_is_polled", hang_up_is_polled),
    ("socketcall.interrupted_receive", interrupted_receive),
    ("socketcall.receive_timeout", receive_timeout),
    ("socketcall.linger_resets", linger_resets),
    (
        "socketcall.linger_waits_for_the_peer",
        linger_waits_for_the_peer,
    ),
    ("socketcall.options_are_kept", options_are_kept),
    ("socketcall.interface_list", interface_list),
    ("socketcall.vectors", vectors),
];

/// The value of a call, or its error.
fn check(value: isize) -> Result<usize, Errno> {
    usize::try_from(value).map_err(|_| Errno::last())
}

/// A descriptor that a call made.
fn made(value: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: a fresh descriptor that nobody else owns.
    check(value as isize).map(|number| unsafe { OwnedFd::from_raw_fd(number as RawFd) })
}

fn socket(family: i32, kind: i32, protocol: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: takes no pointers.
    made(unsafe { libc::socket(family, kind, protocol) })
}

fn receive(fd: &impl AsRawFd, buffer: &mut [u8], flags: i32) -> Result<usize, Errno> {
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

fn send(fd: &impl AsRawFd, data: &[u8], flags: i32) -> Result<usize, Errno> {
    // SAFETY: the buffer is as long as we say.
    check(unsafe { libc::send(fd.as_raw_fd(), data.as_ptr().cast(), data.len(), flags) })
}

fn option(fd: &impl AsRawFd, level: i32, name: i32) -> Result<i32, Errno> {
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

fn set_option<T>(fd: &impl AsRawFd, level: i32, name: i32, value: T) -> Result<usize, Errno> {
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

fn events(fd: &impl AsRawFd, wanted: i16, timeout_ms: i32) -> Result<i16, Errno> {
    let mut entry = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: wanted,
        revents: 0,
    };
    // SAFETY: one entry.
    check(unsafe { libc::poll(&mut entry, 1, timeout_ms) } as isize)?;
    Ok(entry.revents)
}

fn pair(kind: i32) -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut both = [0; 2];
    // SAFETY: room for two numbers.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, both.as_mut_ptr()) } as isize)?;
    Ok((made(both[0])?, made(both[1])?))
}

fn tcp_pair() -> std::io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    Ok((client, listener.accept()?.0))
}

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

fn peek_and_truncate() -> Outcome {
    let (one, other) = (
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
    );
    one.connect(other.local_addr()?)?;
    one.send(b"a long datagram")?;
    one.send(b"next")?;
    let mut buffer = [0; 6];
    ensure_eq!(receive(&other, &mut buffer, libc::MSG_PEEK), Ok(6));
    ensure_eq!(
        receive(&other, &mut buffer, libc::MSG_PEEK | libc::MSG_TRUNC),
        Ok(15)
    );
    ensure_eq!(receive(&other, &mut buffer, 0), Ok(6));
    ensure_eq!(&buffer, b"a long");
    ensure_eq!(receive(&other, &mut buffer, 0), Ok(4));
    ensure_eq!(
        receive(&other, &mut buffer, libc::MSG_DONTWAIT).err(),
        Some(Errno::EAGAIN)
    );
    Ok(())
}

fn wait_for_all() -> Outcome {
    for (mut here, there) in [
        {
            let (here, there) = UnixStream::pair()?;
            (
                Box::new(here) as Box<dyn Write + Send>,
                OwnedFd::from(there),
            )
        },
        {
            let (here, there) = tcp_pair()?;
            (
                Box::new(here) as Box<dyn Write + Send>,
                OwnedFd::from(there),
            )
        },
    ] {
        let sender = std::thread::spawn(move || {
            for piece in [&b"one "[..], b"two ", b"three"] {
                std::thread::sleep(Duration::from_millis(30));
                here.write_all(piece)?;
            }
            Ok::<_, std::io::Error>(())
        });
        let mut buffer = [0; 13];
        ensure_eq!(receive(&there, &mut buffer, libc::MSG_WAITALL), Ok(13));
        ensure_eq!(&buffer, b"one two three");
        sender.join().expect("the sender does not panic")?;
        // The end cuts it short.
        ensure_eq!(receive(&there, &mut buffer, libc::MSG_WAITALL), Ok(0));
    }
    Ok(())
}

fn broken_pipe_signal() -> Outcome {
    let ended = crate::harness::end_of(|| {
        // SAFETY: restores what the Rust runtime changed.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let Ok((here, there)) = UnixStream::pair() else {
            return 1;
        };
        drop(there);
        if send(&here, b"x", libc::MSG_NOSIGNAL).err() != Some(Errno::EPIPE) {
            return 2;
        }
        let _ = send(&here, b"x", 0);
        3
    })?;
    ensure!(
        matches!(
            ended,
            nix::sys::wait::WaitStatus::Signaled(_, Signal::SIGPIPE, _)
        ),
        "ended by {ended:?}"
    );
    Ok(())
}

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

fn names_of_files() -> Outcome {
    let folder = Folder::new()?;
    let path = folder.path("socket");
    let listener = UnixListener::bind(&path)?;
    ensure!(std::fs::metadata(&path)?.file_type().is_socket());
    let again = UnixListener::bind(&path)
        .map(drop)
        .map_err(|error| error.raw_os_error());
    ensure_eq!(again, Err(Some(libc::EADDRINUSE)));
    let client = UnixStream::connect(&path)?;
    ensure_eq!(client.peer_addr()?.as_pathname(), Some(path.as_path()));
    ensure!(client.local_addr()?.is_unnamed());
    ensure_eq!(
        listener.accept()?.0.local_addr()?.as_pathname(),
        Some(path.as_path())
    );
    drop(listener);
    let stale = UnixStream::connect(&path)
        .map(drop)
        .map_err(|error| error.raw_os_error());
    ensure_eq!(stale, Err(Some(libc::ECONNREFUSED)));
    let opened = std::fs::File::open(&path)
        .map(drop)
        .map_err(|error| error.raw_os_error());
    ensure_eq!(opened, Err(Some(libc::ENXIO)));
    std::fs::remove_file(&path)?;
    let gone = UnixStream::connect(&path)
        .map(drop)
        .map_err(|error| error.raw_os_error());
    ensure_eq!(gone, Err(Some(libc::ENOENT)));
    std::fs::write(&path, b"not a socket")?;
    let other = UnixStream::connect(&path)
        .map(drop)
        .map_err(|error| error.raw_os_error());
    ensure_eq!(other, Err(Some(libc::ECONNREFUSED)));
    Ok(())
}

fn abstract_names() -> Outcome {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("weft-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name)?;
    let server = UnixDatagram::bind_addr(&address)?;
    ensure_eq!(
        UnixDatagram::bind_addr(&address)
            .map(drop)
            .map_err(|error| error.raw_os_error()),
        Err(Some(libc::EADDRINUSE))
    );
    let client = UnixDatagram::unbound()?;
    client.send_to_addr(b"hello", &address)?;
    let mut buffer = [0; 9];
    let (length, from) = server.recv_from(&mut buffer)?;
    ensure_eq!((length, from.is_unnamed()), (5, true));
    drop(server);
    let refused = client
        .send_to_addr(b"x", &address)
        .map_err(|error| error.raw_os_error());
    ensure_eq!(refused, Err(Some(libc::ECONNREFUSED)));
    Ok(())
}

fn sequenced_packets() -> Outcome {
    let (here, there) = pair(libc::SOCK_SEQPACKET)?;
    ensure_eq!(send(&here, b"first", 0), Ok(5));
    ensure_eq!(send(&here, b"second", 0), Ok(6));
    let mut buffer = [0; 16];
    ensure_eq!(receive(&there, &mut buffer[..3], 0), Ok(3));
    ensure_eq!(receive(&there, &mut buffer, 0), Ok(6));
    drop(here);
    ensure_eq!(receive(&there, &mut buffer, 0), Ok(0));
    Ok(())
}

fn full_queue() -> Outcome {
    for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET] {
        let (here, there) = pair(kind | libc::SOCK_NONBLOCK)?;
        let mut sent = 0;
        let full = loop {
            match send(&here, &[1; 5000], 0) {
                Ok(count) => sent += count,
                Err(error) => break error,
            }
        };
        ensure_eq!(full, Errno::EAGAIN);
        ensure!(sent >= 10_000, "kind {kind} took {sent}");
        ensure_eq!(events(&here, libc::POLLOUT, 0)?, 0);
        let mut buffer = [0; 5000];
        let mut back = 0;
        while let Ok(count @ 1..) = receive(&there, &mut buffer, 0) {
            back += count;
        }
        ensure_eq!(back, sent);
        ensure_eq!(events(&here, libc::POLLOUT, 1000)?, libc::POLLOUT);
    }
    Ok(())
}

fn peer_credentials() -> Outcome {
    let (here, there) = UnixStream::pair()?;
    // SAFETY: all integers.
    let mut who: libc::ucred = unsafe { zeroed() };
    let mut length = size_of::<libc::ucred>() as u32;
    // SAFETY: a structure and its length.
    check(unsafe {
        libc::getsockopt(
            here.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut who).cast(),
            &mut length,
        )
    } as isize)?;
    ensure_eq!(
        (who.pid, who.uid),
        (std::process::id() as i32, nix::unistd::getuid().as_raw())
    );
    set_option(&there, libc::SOL_SOCKET, libc::SO_PASSCRED, 1)?;
    send(&here, b"x", 0)?;
    let (mut byte, mut space) = ([0], nix::cmsg_space!(nix::sys::socket::UnixCredentials));
    let mut parts = [std::io::IoSliceMut::new(&mut byte)];
    let received = nix::sys::socket::recvmsg::<nix::sys::socket::UnixAddr>(
        there.as_raw_fd(),
        &mut parts,
        Some(&mut space),
        nix::sys::socket::MsgFlags::empty(),
    )?;
    let Some(nix::sys::socket::ControlMessageOwned::ScmCredentials(who)) = received.cmsgs()?.next()
    else {
        return Err("no credentials came".into());
    };
    ensure_eq!(who.pid(), std::process::id() as i32);
    Ok(())
}

/// Three files are sent where there is room for one.
fn control_data_that_does_not_fit() -> Outcome {
    use nix::sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, sendmsg,
    };
    let (here, there) = UnixStream::pair()?;
    let numbers = [0, 1, 2];
    let rights = [ControlMessage::ScmRights(&numbers)];
    let part = [std::io::IoSlice::new(b"x")];
    sendmsg::<UnixAddr>(here.as_raw_fd(), &part, &rights, MsgFlags::empty(), None)?;
    let wrong = [ControlMessage::ScmRights(&[999])];
    let refused = sendmsg::<UnixAddr>(here.as_raw_fd(), &part, &wrong, MsgFlags::empty(), None);
    ensure_eq!(refused, Err(Errno::EBADF));
    let mut byte = [0];
    let mut parts = [std::io::IoSliceMut::new(&mut byte)];
    let mut space = vec![0; 20];
    let received = recvmsg::<UnixAddr>(
        there.as_raw_fd(),
        &mut parts,
        Some(&mut space),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    ensure!(received.flags.contains(MsgFlags::MSG_CTRUNC));
    // The library refuses to read cut-off data: the next free number tells how many were made.
    let next = UnixStream::pair()?.0.as_raw_fd();
    let _ = received.cmsgs().map(|mut messages| {
        matches!(messages.next(), Some(ControlMessageOwned::ScmRights(numbers)) if numbers.len() == 1)
    });
    // SAFETY: takes no pointers.
    let flags = unsafe { libc::fcntl(next - 1, libc::F_GETFD) };
    ensure!(flags & libc::FD_CLOEXEC != 0, "{next} {flags}");
    Ok(())
}

fn many_messages() -> Outcome {
    let (here, there) = pair(libc::SOCK_DGRAM)?;
    let mut texts = [*b"one..", *b"two..", *b"three"];
    let mut parts = texts.each_mut().map(|text| libc::iovec {
        iov_base: text.as_mut_ptr().cast(),
        iov_len: 5,
    });
    // SAFETY: all integers and pointers, for which zero is a value.
    let mut headers: [libc::mmsghdr; 3] = unsafe { zeroed() };
    for (header, part) in headers.iter_mut().zip(&mut parts) {
        header.msg_hdr.msg_iov = part;
        header.msg_hdr.msg_iovlen = 1;
    }
    // SAFETY: three headers with a buffer each.
    let sent = unsafe { libc::sendmmsg(here.as_raw_fd(), headers.as_mut_ptr(), 3, 0) };
    ensure_eq!((sent, headers[2].msg_len), (3, 5));
    texts = [[0; 5]; 3];
    // SAFETY: as above.
    let received = unsafe {
        libc::recvmmsg(
            there.as_raw_fd(),
            headers.as_mut_ptr(),
            3,
            libc::MSG_DONTWAIT as _,
            std::ptr::null_mut(),
        )
    };
    ensure_eq!(received, 3);
    ensure_eq!(&texts, &[*b"one..", *b"two..", *b"three"]);
    // SAFETY: as above.
    let nothing = unsafe {
        libc::recvmmsg(
            there.as_raw_fd(),
            headers.as_mut_ptr(),
            3,
            libc::MSG_DONTWAIT as _,
            std::ptr::null_mut(),
        )
    };
    ensure_eq!(check(nothing as isize).err(), Some(Errno::EAGAIN));
    Ok(())
}

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

fn options_are_kept() -> Outcome {
    let tcp = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    for (level, name) in [
        (libc::SOL_SOCKET, libc::SO_REUSEADDR),
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
        (libc::IPPROTO_TCP, libc::TCP_NODELAY),
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

fn vectors() -> Outcome {
    let (mut here, mut there) = tcp_pair()?;
    let parts = [
        std::io::IoSlice::new(b"ab"),
        std::io::IoSlice::new(b""),
        std::io::IoSlice::new(b"cdef"),
    ];
    ensure_eq!(here.write_vectored(&parts)?, 6);
    let (mut one, mut other) = ([0; 4], [0; 4]);
    let mut into = [
        std::io::IoSliceMut::new(&mut one),
        std::io::IoSliceMut::new(&mut other),
    ];
    ensure_eq!(there.read_vectored(&mut into)?, 6);
    ensure_eq!((&one, &other[..2]), (b"abcd", &b"ef"[..]));
    Ok(())
}
