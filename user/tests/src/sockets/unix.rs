//! UNIX sockets: bytes, datagrams and descriptors between programs of one machine.

use crate::harness::{Folder, Outcome, Test, child, succeeds};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr,
    recvmsg, sendmsg, socketpair,
};
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

pub const TESTS: &[Test] = &[
    ("unix.pair_carries_bytes", pair_carries_bytes),
    ("unix.listen_and_connect", listen_and_connect),
    ("unix.datagrams_keep_borders", datagrams_keep_borders),
    ("unix.passes_descriptors", passes_descriptors),
    ("unix.end_and_refusal", end_and_refusal),
];

fn pair_carries_bytes() -> Outcome {
    let (mut here, mut there) = UnixStream::pair()?;
    let echo = child(|| {
        let _ = nix::unistd::close(here.as_raw_fd()); // or the end would never come
        let mut buffer = [0; 1_000];
        while let Ok(count @ 1..) = there.read(&mut buffer) {
            if there.write_all(&buffer[..count]).is_err() {
                return 1;
            }
        }
        0
    })?;
    drop(there);
    for round in 0..200_u8 {
        let bytes = [round; 777];
        here.write_all(&bytes)?;
        let mut back = [0; 777];
        here.read_exact(&mut back)?;
        ensure!(back == bytes);
    }
    drop(here);
    succeeds(echo)
}

fn listen_and_connect() -> Outcome {
    let folder = Folder::new()?;
    let listener = UnixListener::bind(folder.path("s"))?;
    let client = child(|| {
        let Ok(mut stream) = UnixStream::connect(folder.path("s")) else {
            return 1;
        };
        i32::from(stream.write_all(b"hello").is_err())
    })?;
    let (mut stream, _) = listener.accept()?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    ensure_eq!(text, "hello");
    succeeds(client)
}

fn datagrams_keep_borders() -> Outcome {
    let (here, there) = UnixDatagram::pair()?;
    here.send(b"one")?;
    here.send(b"three")?;
    let mut buffer = [0; 10];
    ensure_eq!(there.recv(&mut buffer)?, 3);
    ensure_eq!(there.recv(&mut buffer)?, 5);
    Ok(())
}

fn passes_descriptors() -> Outcome {
    let (here, there) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?;
    let (reader, writer) = nix::unistd::pipe()?;
    let numbers = [writer.as_raw_fd()];
    let message = [ControlMessage::ScmRights(&numbers)];
    sendmsg::<UnixAddr>(
        here.as_raw_fd(),
        &[IoSlice::new(b"x")],
        &message,
        MsgFlags::empty(),
        None,
    )?;
    drop(writer);
    let (mut byte, mut space) = ([0], nix::cmsg_space!([i32; 1]));
    let mut parts = [IoSliceMut::new(&mut byte)];
    let received = recvmsg::<UnixAddr>(
        there.as_raw_fd(),
        &mut parts,
        Some(&mut space),
        MsgFlags::empty(),
    )?;
    let Some(ControlMessageOwned::ScmRights(numbers)) = received.cmsgs()?.next() else {
        return Err("no descriptor came".into());
    };
    // SAFETY: the kernel has just made this descriptor for us.
    let passed = unsafe { OwnedFd::from_raw_fd(numbers[0]) };
    nix::unistd::write(&passed, b"through")?;
    let mut text = [0; 7];
    nix::unistd::read(&reader, &mut text)?;
    ensure_eq!(&text, b"through");
    Ok(())
}

fn end_and_refusal() -> Outcome {
    let (here, there) = UnixStream::pair()?;
    drop(there);
    let mut here = here;
    ensure_eq!(here.read(&mut [0])?, 0);
    ensure_eq!(
        here.write(b"x").map_err(|error| error.kind()),
        Err(std::io::ErrorKind::BrokenPipe)
    );
    let missing = UnixStream::connect("/no/such/socket").map(drop);
    ensure_eq!(
        missing.map_err(|error| error.kind()),
        Err(std::io::ErrorKind::NotFound)
    );
    Ok(())
}
