//! The socket family: socket(2) to recvmmsg(2).

use super::Calls;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::{Fd, OpenFile, OpenFlags, downcast};
use crate::process;
use crate::socket::address::{self, Given};
use crate::socket::message::{self, MessageHeader};
use crate::socket::{self, SocketFile, Transfer, option, path};
use crate::user_memory::{Sink, Source, UserPtr, plain, read_iovecs};
use alloc::sync::Arc;
use linux_raw_sys::general::{
    __NR_accept, __NR_accept4, __NR_bind, __NR_connect, __NR_getpeername, __NR_getsockname,
    __NR_getsockopt, __NR_listen, __NR_recvfrom, __NR_recvmmsg, __NR_recvmsg, __NR_sendmmsg,
    __NR_sendmsg, __NR_sendto, __NR_setsockopt, __NR_shutdown, __NR_socket, __NR_socketpair,
};
use net::{Address, Ancillary, Kind, Received, Shutdown, UnixAddress};

pub const CALLS: &Calls = &[
    (__NR_socket as usize, socket),
    (__NR_socketpair as usize, socketpair),
    (__NR_bind as usize, bind),
    (__NR_listen as usize, listen),
    (__NR_accept as usize, accept),
    (__NR_connect as usize, connect),
    (__NR_getsockname as usize, getsockname),
    (__NR_getpeername as usize, getpeername),
    (__NR_sendto as usize, sendto),
    (__NR_recvfrom as usize, recvfrom),
    (__NR_setsockopt as usize, setsockopt),
    (__NR_getsockopt as usize, getsockopt),
    (__NR_shutdown as usize, shutdown),
    (__NR_sendmsg as usize, sendmsg),
    (__NR_recvmsg as usize, recvmsg),
    (__NR_accept4 as usize, accept4),
    (__NR_recvmmsg as usize, recvmmsg),
    (__NR_sendmmsg as usize, sendmmsg),
];

const SOCK_NONBLOCK: u32 = 0o4000;
const SOCK_CLOEXEC: u32 = 0o2000000;

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

/// A socket and the open file it is behind.
struct Opened {
    file: Arc<OpenFile>,
    socket: Arc<SocketFile>,
}

impl Opened {
    /// The socket in argument 0.
    fn get(frame: &TrapFrame) -> Result<Self> {
        let file = process::current().files().get(frame.argument(0) as Fd)?;
        if file.flags().contains(OpenFlags::PATH) {
            return Err(Errno::EBADF);
        }
        let socket = downcast::<SocketFile>(file.file()).ok_or(Errno::ENOTSOCK)?;
        Ok(Self { file, socket })
    }

    fn nonblocking(&self) -> bool {
        self.file.mode().nonblocking
    }

    fn transfer(&self, flags: u32) -> Transfer {
        Transfer {
            nonblocking: self.nonblocking() || flags & MSG_DONTWAIT != 0,
            peek: flags & MSG_PEEK != 0,
            wait_all: flags & MSG_WAITALL != 0,
            no_signal: flags & MSG_NOSIGNAL != 0,
        }
    }
}

/// Gives a new socket a descriptor, with what `SOCK_NONBLOCK` and `SOCK_CLOEXEC` ask for.
fn install(socket: Arc<SocketFile>, flags: u32) -> Result<Fd> {
    let mut open = OpenFlags::RDWR;
    open.set(OpenFlags::NONBLOCK, flags & SOCK_NONBLOCK != 0);
    let file = OpenFile::new(socket, open);
    process::current()
        .files()
        .insert(file, flags & SOCK_CLOEXEC != 0)
}

/// Family, type and protocol arguments: the kind of socket, and the flags of the type.
fn kind_at(frame: &TrapFrame) -> Result<(Kind, u32)> {
    let given = frame.argument(1) as u32;
    let (socket_type, flags) = (given & 0xf, given & !0xf);
    if flags & !(SOCK_NONBLOCK | SOCK_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    let family = u16::try_from(frame.argument(0)).map_err(|_| Errno::EAFNOSUPPORT)?;
    let kind = socket::kind(family, socket_type, frame.argument(2) as u32)?;
    let privileged = matches!(kind, Kind::Raw(_));
    if privileged
        && !process::current()
            .credentials()
            .has(process::Capabilities::NET_RAW)
    {
        return Err(Errno::EPERM);
    }
    Ok((kind, flags))
}

fn socket(frame: &mut TrapFrame) -> Result<usize> {
    let (kind, flags) = kind_at(frame)?;
    Ok(install(socket::create(kind, message::credentials())?, flags)? as usize)
}

fn socketpair(frame: &mut TrapFrame) -> Result<usize> {
    let (kind, flags) = kind_at(frame)?;
    let (one, other) = socket::create_pair(kind, message::credentials())?;
    let first = install(one, flags)?;
    let files = process::current().files();
    let second = install(other, flags).inspect_err(|_| drop(files.remove(first)))?;
    let written = UserPtr::<[i32; 2]>::new(frame.argument(3)).write([first as i32, second as i32]);
    if written.is_err() {
        // Nobody knows the numbers: whether another thread closed them meanwhile does not matter.
        drop((files.remove(first), files.remove(second)));
    }
    written.map(|()| 0)
}

fn bind(frame: &mut TrapFrame) -> Result<usize> {
    let opened = Opened::get(frame)?;
    let socket = opened.socket.socket();
    match address::read(frame.argument(1), frame.argument(2))? {
        Given::Path(name)
            if matches!(socket.local_address(), Address::Unix(UnixAddress::Unnamed)) =>
        {
            path::bind(socket.as_ref(), name)?;
        }
        Given::Path(_) => return Err(Errno::EINVAL),
        Given::Address(address) => {
            check_privileged_port(&address)?;
            socket.bind(&address)?;
        }
        Given::Unspecified => return Err(Errno::EAFNOSUPPORT),
    }
    Ok(0)
}

/// Ports below 1024 are for those who may bind them.
fn check_privileged_port(address: &Address) -> Result<()> {
    const FIRST_FREE: u16 = 1024;
    let port = address.clone().inet().map_or(0, |address| address.port());
    let allowed = || {
        process::current()
            .credentials()
            .has(process::Capabilities::NET_BIND_SERVICE)
    };
    if (1..FIRST_FREE).contains(&port) && !allowed() {
        Err(Errno::EACCES)
    } else {
        Ok(())
    }
}

fn listen(frame: &mut TrapFrame) -> Result<usize> {
    let backlog = usize::try_from(frame.argument(1) as i32).unwrap_or(usize::MAX);
    Opened::get(frame)?.socket.socket().listen(backlog)?;
    Ok(0)
}

fn accept(frame: &mut TrapFrame) -> Result<usize> {
    accept_with(frame, 0)
}

fn accept4(frame: &mut TrapFrame) -> Result<usize> {
    let flags = frame.argument(3) as u32;
    if flags & !(SOCK_NONBLOCK | SOCK_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    accept_with(frame, flags)
}

fn accept_with(frame: &TrapFrame, flags: u32) -> Result<usize> {
    let opened = Opened::get(frame)?;
    let (socket, peer) = opened.socket.accept(opened.nonblocking())?;
    let number = install(socket, flags)?;
    if frame.argument(1) != 0
        && let Err(error) = address::write(&peer, frame.argument(1), frame.argument(2))
    {
        drop(process::current().files().remove(number));
        return Err(error);
    }
    Ok(number as usize)
}

fn connect(frame: &mut TrapFrame) -> Result<usize> {
    let opened = Opened::get(frame)?;
    let to = address::read(frame.argument(1), frame.argument(2))?.destination()?;
    opened.socket.connect(to.as_ref(), opened.nonblocking())?;
    Ok(0)
}

fn getsockname(frame: &mut TrapFrame) -> Result<usize> {
    let address = Opened::get(frame)?.socket.socket().local_address();
    address::write(&address, frame.argument(1), frame.argument(2)).map(|()| 0)
}

fn getpeername(frame: &mut TrapFrame) -> Result<usize> {
    let address = Opened::get(frame)?.socket.socket().peer_address()?;
    address::write(&address, frame.argument(1), frame.argument(2)).map(|()| 0)
}

fn setsockopt(frame: &mut TrapFrame) -> Result<usize> {
    let opened = Opened::get(frame)?;
    let (level, name) = (frame.argument(1) as u32, frame.argument(2) as u32);
    let length = usize::try_from(frame.argument(4) as i32).map_err(|_| Errno::EINVAL)?;
    option::set(&opened.socket, level, name, frame.argument(3), length).map(|()| 0)
}

fn getsockopt(frame: &mut TrapFrame) -> Result<usize> {
    let opened = Opened::get(frame)?;
    let (level, name) = (frame.argument(1) as u32, frame.argument(2) as u32);
    option::get(
        &opened.socket,
        level,
        name,
        frame.argument(3),
        frame.argument(4),
    )
    .map(|()| 0)
}

fn shutdown(frame: &mut TrapFrame) -> Result<usize> {
    let how = match frame.argument(1) {
        0 => Shutdown::Read,
        1 => Shutdown::Write,
        2 => Shutdown::Both,
        _ => return Err(Errno::EINVAL),
    };
    Opened::get(frame)?.socket.shutdown(how).map(|()| 0)
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

fn sendto(frame: &mut TrapFrame) -> Result<usize> {
    let opened = Opened::get(frame)?;
    let flags = frame.argument(3) as u32;
    check_send_flags(opened.socket.kind(), flags)?;
    let to = match frame.argument(4) {
        0 => None,
        at => address::read(at, frame.argument(5))?.destination()?,
    };
    let mut source = Source::user(frame.argument(1), frame.argument(2));
    let ancillary = message::own_credentials(opened.socket.kind());
    opened
        .socket
        .send(&mut source, to.as_ref(), ancillary, opened.transfer(flags))
}

fn recvfrom(frame: &mut TrapFrame) -> Result<usize> {
    let opened = Opened::get(frame)?;
    let flags = frame.argument(3) as u32;
    let mut sink = Sink::user(frame.argument(1), frame.argument(2));
    let received = receive(&opened, &mut sink, flags)?;
    if frame.argument(4) != 0 {
        match sender(&received) {
            Some(from) => address::write(from, frame.argument(4), frame.argument(5))?,
            None => UserPtr::<i32>::new(frame.argument(5)).write(0)?,
        }
    }
    Ok(reported(&received, flags))
}

/// Receives once; a queue of errors is never kept, so there is nothing in it.
fn receive(opened: &Opened, sink: &mut Sink<'_>, flags: u32) -> Result<Received> {
    if flags & MSG_OOB != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & MSG_ERRQUEUE != 0 {
        return Err(Errno::EAGAIN);
    }
    opened.socket.receive(sink, opened.transfer(flags))
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

fn sendmsg(frame: &mut TrapFrame) -> Result<usize> {
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
        .send(&mut source, to.as_ref(), ancillary, opened.transfer(flags))
}

fn recvmsg(frame: &mut TrapFrame) -> Result<usize> {
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

fn sendmmsg(frame: &mut TrapFrame) -> Result<usize> {
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

fn recvmmsg(frame: &mut TrapFrame) -> Result<usize> {
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
