//! The socket family: socket(2) to recvmmsg(2).

mod messages;

use super::Calls;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::fs::{Fd, OpenFile, OpenFlags, downcast};
use crate::process;
use crate::socket::address::{self, Given};
use crate::socket::{self, SocketFile, message, option, path};
use crate::user_memory::UserPtr;
use alloc::sync::Arc;
use linux_raw_sys::general::{
    __NR_accept, __NR_accept4, __NR_bind, __NR_connect, __NR_getpeername, __NR_getsockname,
    __NR_getsockopt, __NR_listen, __NR_recvfrom, __NR_recvmmsg, __NR_recvmsg, __NR_sendmmsg,
    __NR_sendmsg, __NR_sendto, __NR_setsockopt, __NR_shutdown, __NR_socket, __NR_socketpair,
};
use net::{Address, Kind, Shutdown, UnixAddress};

pub const CALLS: &Calls = &[
    (__NR_socket as usize, socket),
    (__NR_socketpair as usize, socketpair),
    (__NR_bind as usize, bind),
    (__NR_listen as usize, listen),
    (__NR_accept as usize, accept),
    (__NR_connect as usize, connect),
    (__NR_getsockname as usize, getsockname),
    (__NR_getpeername as usize, getpeername),
    (__NR_sendto as usize, messages::sendto),
    (__NR_recvfrom as usize, messages::recvfrom),
    (__NR_setsockopt as usize, setsockopt),
    (__NR_getsockopt as usize, getsockopt),
    (__NR_shutdown as usize, shutdown),
    (__NR_sendmsg as usize, messages::sendmsg),
    (__NR_recvmsg as usize, messages::recvmsg),
    (__NR_accept4 as usize, accept4),
    (__NR_recvmmsg as usize, messages::recvmmsg),
    (__NR_sendmmsg as usize, messages::sendmmsg),
];

const SOCK_NONBLOCK: u32 = 0o4000;
const SOCK_CLOEXEC: u32 = 0o2000000;

/// A socket and the open file it is behind.
struct Opened {
    file: Arc<OpenFile>,
    socket: Arc<SocketFile>,
}

impl Opened {
    /// The socket in argument 0.
    fn get(frame: &TrapFrame) -> Result<Self> {
        let file = process::current().file(frame.argument(0) as Fd)?;
        if file.flags().contains(OpenFlags::PATH) {
            return Err(Errno::EBADF);
        }
        let socket = downcast::<SocketFile>(file.file()).ok_or(Errno::ENOTSOCK)?;
        Ok(Self { file, socket })
    }

    fn nonblocking(&self) -> bool {
        self.file.mode().nonblocking
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
