//! Sending and receiving: sendto(2) to recvmmsg(2).

use super::Opened;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::socket::message::{self, MessageHeader};
use crate::socket::{Transfer, address};
use crate::user_memory::{Sink, Source, UserPtr, plain, read_iovecs};
use net::{Address, Ancillary, Kind, Received, UnixAddress};

const MSG_OOB: u32 = 0x1;
const MSG_PEEK: u32 = 0x2;
const MSG_CTRUNC: u32 = 0x8;
const MSG_TRUNC: u32 = 0x20;
const MSG_DONTWAIT: u32 = 0x40;
const MSG_WAITALL: u32 = 0x100;
const MSG_ERRQUEUE: u32 = 0x2000;
const MSG_NOSIGNAL: u32 = 0x4000;
const MSG_MORE: u32 = 0x8000;
const MSG_WAITFORONE: u32 = 0x10000;
const MSG_CMSG_CLOEXEC: u32 = 0x4000_0000;

/// The most messages that one call moves (UIO_MAXIOV).
const MAX_MESSAGES: usize = 1024;
/// The most bytes that one call moves (MAX_RW_COUNT).
const MAX_COUNT: usize = 0x7fff_f000;

/// How a call with these flags behaves.
fn transfer(opened: &Opened, flags: u32) -> Transfer {
    Transfer {
        nonblocking: opened.nonblocking() || flags & MSG_DONTWAIT != 0,
        peek: flags & MSG_PEEK != 0,
        wait_all: flags & MSG_WAITALL != 0,
        no_signal: flags & MSG_NOSIGNAL != 0,
    }
}

/// What cannot be done is refused rather than ignored: urgent data, corked datagrams.
fn check_send_flags(kind: Kind, flags: u32) -> Result<()> {
    let corks = flags & MSG_MORE != 0 && matches!(kind, Kind::Udp | Kind::Ping | Kind::Raw(_));
    if flags & MSG_OOB != 0 || corks {
        Err(Errno::EOPNOTSUPP)
    } else {
        Ok(())
    }
}

pub fn sendto(frame: &mut TrapFrame) -> Result<usize> {
    let opened = Opened::get(frame)?;
    let flags = frame.argument(3) as u32;
    check_send_flags(opened.socket.kind(), flags)?;
    let to = match frame.argument(4) {
        0 => None,
        at => address::read(at, frame.argument(5))?.destination()?,
    };
    let mut source = Source::user(frame.argument(1), frame.argument(2).min(MAX_COUNT));
    let ancillary = message::own_credentials(opened.socket.kind());
    opened.socket.send(
        &mut source,
        to.as_ref(),
        ancillary,
        transfer(&opened, flags),
    )
}

pub fn recvfrom(frame: &mut TrapFrame) -> Result<usize> {
    let opened = Opened::get(frame)?;
    let flags = frame.argument(3) as u32;
    let mut sink = Sink::user(frame.argument(1), frame.argument(2).min(MAX_COUNT));
    let received = receive(&opened, &mut sink, flags)?;
    if frame.argument(4) != 0 {
        match sender(&received) {
            Some(from) => address::write(from, frame.argument(4), frame.argument(5))?,
            None => UserPtr::<i32>::new(frame.argument(5)).write(0)?,
        }
    }
    Ok(reported(&received, flags))
}

/// Receives once. Errors are told by the next call; no queue of their details is kept.
fn receive(opened: &Opened, sink: &mut Sink<'_>, flags: u32) -> Result<Received> {
    if flags & MSG_OOB != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & MSG_ERRQUEUE != 0 {
        return Err(Errno::EAGAIN);
    }
    opened.socket.receive(sink, transfer(opened, flags))
}

/// Whom a message came from, if that has a name.
fn sender(received: &Received) -> Option<&Address> {
    received
        .from
        .as_ref()
        .filter(|from| !matches!(from, Address::Unix(UnixAddress::Unnamed)))
}

/// With `MSG_TRUNC` a datagram's real length is told, even if it was cut off.
fn reported(received: &Received, flags: u32) -> usize {
    if flags & MSG_TRUNC != 0 {
        received.full_length
    } else {
        received.length
    }
}

pub fn sendmsg(frame: &mut TrapFrame) -> Result<usize> {
    let opened = Opened::get(frame)?;
    let header = UserPtr::<MessageHeader>::new(frame.argument(1)).read()?;
    send_message(&opened, &header, frame.argument(2) as u32)
}

fn send_message(opened: &Opened, header: &MessageHeader, flags: u32) -> Result<usize> {
    let kind = opened.socket.kind();
    check_send_flags(kind, flags)?;
    let to = match header.name {
        0 => None,
        at => address::read(at, header.name_length as usize)?.destination()?,
    };
    let vectors = read_iovecs(header.vectors, header.vector_count)?;
    let ancillary = match header.control_length {
        0 => message::own_credentials(kind),
        _ => message::read_control(header, kind)?,
    };
    let mut source = Source::user_vectors(&vectors);
    opened
        .socket
        .send(&mut source, to.as_ref(), ancillary, transfer(opened, flags))
}

pub fn recvmsg(frame: &mut TrapFrame) -> Result<usize> {
    let opened = Opened::get(frame)?;
    receive_message(
        &opened,
        UserPtr::new(frame.argument(1)),
        frame.argument(2) as u32,
    )
}

fn receive_message(opened: &Opened, at: UserPtr<MessageHeader>, flags: u32) -> Result<usize> {
    let mut header = at.read()?;
    let vectors = read_iovecs(header.vectors, header.vector_count)?;
    let mut sink = Sink::user_vectors(&vectors);
    let mut received = receive(opened, &mut sink, flags)?;
    let length = reported(&received, flags);
    header.flags = if received.full_length > received.length {
        MSG_TRUNC
    } else {
        0
    };
    header.name_length = match (header.name, sender(&received)) {
        (0, _) | (_, None) => 0,
        (name, Some(from)) => address::write_to(from, name, header.name_length as usize)? as u32,
    };
    let ancillary = core::mem::take(&mut received.ancillary);
    header.control_length = receive_control(&mut header, ancillary, flags)?;
    at.write(header)?;
    Ok(length)
}

fn receive_control(header: &mut MessageHeader, ancillary: Ancillary, flags: u32) -> Result<usize> {
    if ancillary.is_empty() {
        return Ok(0);
    }
    let room = if header.control == 0 {
        0
    } else {
        header.control_length
    };
    let close_on_exec = flags & MSG_CMSG_CLOEXEC != 0;
    let written = message::write_control(ancillary, header.control, room, close_on_exec)?;
    header.flags |= if written.truncated { MSG_CTRUNC } else { 0 };
    Ok(written.length)
}

/// `struct mmsghdr`.
#[repr(C)]
#[derive(Clone, Copy)]
struct ManyHeader {
    header: MessageHeader,
    length: u32,
    _pad: u32,
}
plain!(ManyHeader);

/// Notes how long the message of `at` was.
fn note_length(at: UserPtr<ManyHeader>, length: usize) -> Result<()> {
    const OFFSET: usize = core::mem::offset_of!(ManyHeader, length);
    UserPtr::<u32>::new(at.address().wrapping_add(OFFSET)).write(length as u32)
}

/// Repeats `one` for up to `count` messages; what was moved before an error counts.
fn many(count: usize, mut one: impl FnMut(usize) -> Result<()>) -> Result<usize> {
    for index in 0..count.min(MAX_MESSAGES) {
        if let Err(error) = one(index) {
            return if index == 0 { Err(error) } else { Ok(index) };
        }
    }
    Ok(count.min(MAX_MESSAGES))
}

pub fn sendmmsg(frame: &mut TrapFrame) -> Result<usize> {
    let opened = Opened::get(frame)?;
    let (headers, flags) = (
        UserPtr::<ManyHeader>::new(frame.argument(1)),
        frame.argument(3) as u32,
    );
    many(frame.argument(2) as u32 as usize, |index| {
        let at = headers.element(index);
        let length = send_message(&opened, &at.read()?.header, flags)?;
        note_length(at, length)
    })
}

pub fn recvmmsg(frame: &mut TrapFrame) -> Result<usize> {
    let opened = Opened::get(frame)?;
    let (headers, mut flags) = (
        UserPtr::<ManyHeader>::new(frame.argument(1)),
        frame.argument(3) as u32,
    );
    let deadline_ns = match frame.argument(4) {
        0 => None,
        at => Some(smp::now_ns().saturating_add(timeout_ns(at)?)),
    };
    many(frame.argument(2) as u32 as usize, |index| {
        // As on Linux, the time is looked at between messages only.
        if index > 0 && deadline_ns.is_some_and(|deadline_ns| smp::now_ns() >= deadline_ns) {
            return Err(Errno::ETIMEDOUT);
        }
        let at = headers.element(index);
        let length = receive_message(&opened, UserPtr::new(at.address()), flags)?;
        if flags & MSG_WAITFORONE != 0 {
            flags |= MSG_DONTWAIT;
        }
        note_length(at, length)
    })
}

/// The `struct timespec` at `address`, in nanoseconds.
fn timeout_ns(address: usize) -> Result<u64> {
    let [seconds, nanoseconds] = UserPtr::<[i64; 2]>::new(address).read()?;
    if seconds < 0 || !(0..1_000_000_000).contains(&nanoseconds) {
        return Err(Errno::EINVAL);
    }
    Ok((seconds as u64)
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds as u64))
}
