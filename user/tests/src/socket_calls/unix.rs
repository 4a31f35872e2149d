//! UNIX sockets: names, packets, queues, credentials.

use super::calls::{check, events, pair, receive, send, set_option};
use crate::harness::{Folder, Outcome, Test};
use nix::errno::Errno;
use std::mem::{size_of, zeroed};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

pub const TESTS: &[Test] = &[
    ("socketcall.names_of_files", names_of_files),
    ("socketcall.abstract_names", abstract_names),
    ("socketcall.sequenced_packets", sequenced_packets),
    ("socketcall.full_queue", full_queue),
    ("socketcall.peer_credentials", peer_credentials),
];

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
