//! Sending and receiving: flags, vectors, many messages, control data.

use super::calls::{check, pair, receive, send, tcp_pair};
use crate::harness::{Outcome, Test};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use std::io::{Read, Write};
use std::mem::zeroed;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

pub const TESTS: &[Test] = &[
    ("socketcall.peek_and_truncate", peek_and_truncate),
    ("socketcall.wait_for_all", wait_for_all),
    ("socketcall.many_messages", many_messages),
    ("socketcall.vectors", vectors),
    (
        "socketcall.control_data_that_does_not_fit",
        control_data_that_does_not_fit,
    ),
    ("socketcall.broken_pipe_signal", broken_pipe_signal),
];

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
