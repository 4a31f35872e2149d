//! getsockopt(2) and setsockopt(2): socket(7), ip(7), tcp(7), unix(7).

use super::{SocketFile, is_unix};
use crate::error::{Errno, Result};
use crate::user_memory::{UserPtr, copy_out, plain};
use linux_raw_sys::net as abi;
use net::{Credentials, Kind, Options, Socket};

const SOL_SOCKET: u32 = 1;
const IPPROTO_IP: u32 = 0;
const IPPROTO_TCP: u32 = 6;
/// tcp(7).
const TCP_NODELAY: u32 = 1;
const TCP_CORK: u32 = 3;
const TCP_KEEPIDLE: u32 = 4;
const TCP_KEEPINTVL: u32 = 5;
const TCP_KEEPCNT: u32 = 6;
/// MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL; MAX_TCP_KEEPCNT.
const MAX_KEEP_SECONDS: i32 = 32767;
const MAX_KEEP_COUNT: i32 = 127;
/// Linux doubles the sizes it is given, for its bookkeeping, and shows the doubled ones.
const BUFFER_FACTOR: usize = 2;

/// `struct timeval`.
#[repr(C)]
#[derive(Clone, Copy)]
struct TimeVal {
    seconds: i64,
    microseconds: i64,
}
plain!(TimeVal);

/// `struct linger`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Linger {
    on: i32,
    seconds: i32,
}
plain!(Linger);

fn int(address: usize, length: usize) -> Result<i32> {
    if length < size_of::<i32>() {
        return Err(Errno::EINVAL);
    }
    UserPtr::<i32>::new(address).read()
}

/// setsockopt(2).
pub fn set(file: &SocketFile, level: u32, name: u32, address: usize, length: usize) -> Result<()> {
    match (level, file.kind()) {
        (SOL_SOCKET, _) => set_socket(file, name, address, length),
        (IPPROTO_TCP, Kind::Tcp) => set_tcp(file, name, address, length),
        (IPPROTO_IP, kind) if !is_unix(kind) => set_ip(file, name, address, length),
        (_, kind) if is_unix(kind) => Err(Errno::EOPNOTSUPP),
        _ => Err(Errno::ENOPROTOOPT),
    }
}

fn update(file: &SocketFile, mut change: impl FnMut(&mut Options)) -> Result<()> {
    file.socket().update_options(&mut change);
    Ok(())
}

fn set_socket(file: &SocketFile, name: u32, address: usize, length: usize) -> Result<()> {
    match name {
        abi::SO_LINGER => {
            if length < size_of::<Linger>() {
                return Err(Errno::EINVAL);
            }
            let linger = UserPtr::<Linger>::new(address).read()?;
            let seconds = (linger.on != 0).then_some(linger.seconds.max(0) as u32);
            return update(file, |options| options.linger_s = seconds);
        }
        abi::SO_RCVTIMEO_OLD | abi::SO_RCVTIMEO_NEW => {
            let timeout = timeout(address, length)?;
            return update(file, |options| options.receive_timeout_ns = timeout);
        }
        abi::SO_SNDTIMEO_OLD | abi::SO_SNDTIMEO_NEW => {
            let timeout = timeout(address, length)?;
            return update(file, |options| options.send_timeout_ns = timeout);
        }
        _ => {}
    }
    let value = int(address, length)?;
    let on = value != 0;
    let size = value.max(0) as usize;
    match name {
        abi::SO_REUSEADDR => update(file, |options| options.reuse_address = on),
        abi::SO_REUSEPORT => update(file, |options| options.reuse_port = on),
        abi::SO_KEEPALIVE => update(file, |options| options.keep_alive = on),
        abi::SO_BROADCAST => update(file, |options| options.broadcast = on),
        abi::SO_SNDBUF | abi::SO_SNDBUFFORCE => update(file, |options| options.send_buffer = size),
        abi::SO_RCVBUF | abi::SO_RCVBUFFORCE => {
            update(file, |options| options.receive_buffer = size)
        }
        abi::SO_PASSCRED if is_unix(file.kind()) => {
            update(file, |options| options.pass_credentials = on)
        }
        _ => Err(Errno::ENOPROTOOPT),
    }
}

fn set_tcp(file: &SocketFile, name: u32, address: usize, length: usize) -> Result<()> {
    let value = int(address, length)?;
    let up_to = |limit: i32| match value {
        1.. if value <= limit => Ok(value as u32),
        _ => Err(Errno::EINVAL),
    };
    match name {
        TCP_NODELAY => update(file, |options| options.no_delay = value != 0),
        TCP_CORK => update(file, |options| options.cork = value != 0),
        TCP_KEEPIDLE => {
            let seconds = up_to(MAX_KEEP_SECONDS)?;
            update(file, |options| options.keep_idle_s = seconds)
        }
        TCP_KEEPINTVL => {
            let seconds = up_to(MAX_KEEP_SECONDS)?;
            update(file, |options| options.keep_interval_s = seconds)
        }
        TCP_KEEPCNT => {
            let count = up_to(MAX_KEEP_COUNT)?;
            update(file, |options| options.keep_count = count)
        }
        _ => Err(Errno::ENOPROTOOPT),
    }
}

fn set_ip(file: &SocketFile, name: u32, address: usize, length: usize) -> Result<()> {
    let value = int(address, length)?;
    match name {
        abi::IP_TTL => {
            // -1 is the default again.
            let ttl = match value {
                -1 => Options::default().time_to_live,
                1..=255 => value as u8,
                _ => return Err(Errno::EINVAL),
            };
            update(file, |options| options.time_to_live = ttl)
        }
        abi::IP_RECVERR if file.kind() == Kind::Udp => {
            update(file, |options| options.receive_errors = value != 0)
        }
        abi::IP_HDRINCL if matches!(file.kind(), Kind::Raw(_)) => {
            update(file, |options| options.header_included = value != 0)
        }
        _ => Err(Errno::ENOPROTOOPT),
    }
}

/// A timeout: zero is none.
fn timeout(address: usize, length: usize) -> Result<Option<u64>> {
    if length < size_of::<TimeVal>() {
        return Err(Errno::EINVAL);
    }
    let time = UserPtr::<TimeVal>::new(address).read()?;
    if !(0..1_000_000).contains(&time.microseconds) {
        return Err(Errno::EDOM);
    }
    // A negative one is over at once.
    let seconds = time.seconds.max(0) as u64;
    let ns = seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(time.microseconds as u64 * 1000);
    Ok((ns > 0 || time.seconds < 0).then_some(ns))
}

/// getsockopt(2): `length` points to the buffer's size, and gets the value's.
pub fn get(file: &SocketFile, level: u32, name: u32, address: usize, length: usize) -> Result<()> {
    let room = usize::try_from(UserPtr::<i32>::new(length).read()?).map_err(|_| Errno::EINVAL)?;
    let put = |bytes: &[u8]| {
        let count = bytes.len().min(room);
        copy_out(address, &bytes[..count])?;
        UserPtr::<i32>::new(length).write(count as i32)
    };
    if (level, name) == (SOL_SOCKET, abi::SO_LINGER) {
        let linger = file.socket().options().linger_s;
        let (on, seconds) = (i32::from(linger.is_some()), linger.unwrap_or(0) as i32);
        return put(&pair(on, seconds));
    }
    if level == SOL_SOCKET
        && let Some(timeout) = timeout_of(&file.socket().options(), name)
    {
        let ns = timeout.unwrap_or(0);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(ns / 1_000_000_000).to_ne_bytes());
        bytes[8..].copy_from_slice(&(ns % 1_000_000_000 / 1000).to_ne_bytes());
        return put(&bytes);
    }
    if (level, name) == (SOL_SOCKET, abi::SO_PEERCRED) {
        return put(&credentials(file.socket().as_ref())?);
    }
    let value = match (level, file.kind()) {
        (SOL_SOCKET, _) => get_socket(file, name)?,
        (IPPROTO_TCP, Kind::Tcp) => get_tcp(&file.socket().options(), name)?,
        (IPPROTO_IP, kind) if !is_unix(kind) => get_ip(&file.socket().options(), name)?,
        (_, kind) if is_unix(kind) => return Err(Errno::EOPNOTSUPP),
        _ => return Err(Errno::ENOPROTOOPT),
    };
    put(&value.to_ne_bytes())
}

fn pair(one: i32, other: i32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&one.to_ne_bytes());
    bytes[4..].copy_from_slice(&other.to_ne_bytes());
    bytes
}

fn timeout_of(options: &Options, name: u32) -> Option<Option<u64>> {
    match name {
        abi::SO_RCVTIMEO_OLD | abi::SO_RCVTIMEO_NEW => Some(options.receive_timeout_ns),
        abi::SO_SNDTIMEO_OLD | abi::SO_SNDTIMEO_NEW => Some(options.send_timeout_ns),
        _ => None,
    }
}

fn credentials(socket: &dyn Socket) -> Result<[u8; 12]> {
    let Credentials {
        process,
        user,
        group,
    } = socket.peer_credentials().map_err(|_| Errno::ENOPROTOOPT)?;
    let mut bytes = [0; 12];
    for (field, value) in bytes.chunks_exact_mut(4).zip([process as u32, user, group]) {
        field.copy_from_slice(&value.to_ne_bytes());
    }
    Ok(bytes)
}

fn get_socket(file: &SocketFile, name: u32) -> Result<i32> {
    let (socket, options) = (file.socket(), file.socket().options());
    let (family, socket_type, protocol) = numbers(file.kind());
    Ok(match name {
        abi::SO_ERROR => socket
            .take_error()
            .map_or(0, |error| i32::from(Errno::from(error).code())),
        abi::SO_TYPE => socket_type as i32,
        abi::SO_DOMAIN => i32::from(family),
        abi::SO_PROTOCOL => protocol as i32,
        abi::SO_ACCEPTCONN => i32::from(socket.is_listening()),
        abi::SO_REUSEADDR => i32::from(options.reuse_address),
        abi::SO_REUSEPORT => i32::from(options.reuse_port),
        abi::SO_KEEPALIVE => i32::from(options.keep_alive),
        abi::SO_BROADCAST => i32::from(options.broadcast),
        abi::SO_PASSCRED => i32::from(options.pass_credentials),
        abi::SO_SNDBUF => (options.send_buffer * BUFFER_FACTOR) as i32,
        abi::SO_RCVBUF => (options.receive_buffer * BUFFER_FACTOR) as i32,
        _ => return Err(Errno::ENOPROTOOPT),
    })
}

fn get_tcp(options: &Options, name: u32) -> Result<i32> {
    Ok(match name {
        TCP_NODELAY => i32::from(options.no_delay),
        TCP_CORK => i32::from(options.cork),
        TCP_KEEPIDLE => options.keep_idle_s as i32,
        TCP_KEEPINTVL => options.keep_interval_s as i32,
        TCP_KEEPCNT => options.keep_count as i32,
        _ => return Err(Errno::ENOPROTOOPT),
    })
}

fn get_ip(options: &Options, name: u32) -> Result<i32> {
    Ok(match name {
        abi::IP_TTL => i32::from(options.time_to_live),
        abi::IP_RECVERR => i32::from(options.receive_errors),
        abi::IP_HDRINCL => i32::from(options.header_included),
        _ => return Err(Errno::ENOPROTOOPT),
    })
}

/// Family, type and protocol numbers of a kind.
fn numbers(kind: Kind) -> (u16, u32, u32) {
    use super::{
        AF_INET, AF_UNIX, IPPROTO_ICMP, IPPROTO_UDP, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET,
        SOCK_STREAM,
    };
    match kind {
        Kind::Tcp => (AF_INET, SOCK_STREAM, super::IPPROTO_TCP),
        Kind::Udp => (AF_INET, SOCK_DGRAM, IPPROTO_UDP),
        Kind::Ping => (AF_INET, SOCK_DGRAM, IPPROTO_ICMP),
        Kind::Raw(protocol) => (AF_INET, SOCK_RAW, u32::from(protocol)),
        Kind::UnixStream => (AF_UNIX, SOCK_STREAM, 0),
        Kind::UnixDatagram => (AF_UNIX, SOCK_DGRAM, 0),
        Kind::UnixSequencedPacket => (AF_UNIX, SOCK_SEQPACKET, 0),
    }
}
