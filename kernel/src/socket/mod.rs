//! Sockets as files: descriptors, waiting and errno on top of the `net` crate.
//!
//! - [`SocketFile`]: a socket behind a descriptor.
//! - [`address`], [`option`], [`message`]: the structures of the socket calls, read from and
//!   written to user memory with every length checked.
//! - [`interface`]: the interface ioctls.
//!
//! The system calls are in [`crate::syscall`]'s socket family.

pub mod address;
mod error;
mod file;
mod interface;
pub mod message;
pub mod option;
pub mod path;
mod report;

pub use file::{SocketFile, Transfer};

use crate::error::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use net::unix::{Names, UnixSocket};
use net::{AddressSource, Credentials, Kind, NetDevice, Network};
use smp::ThreadSpec;
use spin::Once;

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const SOCK_STREAM: u32 = 1;
const SOCK_DGRAM: u32 = 2;
const SOCK_RAW: u32 = 3;
const SOCK_SEQPACKET: u32 = 5;
/// No type and no protocol is as large as these.
const SOCK_MAX: u32 = 11;
const IPPROTO_MAX: u32 = 256;
const IPPROTO_ICMP: u32 = 1;
const IPPROTO_TCP: u32 = 6;
const IPPROTO_UDP: u32 = 17;

static NETWORK: Once<Arc<Network>> = Once::new();
static NAMES: Once<Arc<Names>> = Once::new();

/// The machine's network. Until the drivers have run it has no cards.
pub fn network() -> &'static Arc<Network> {
    NETWORK.call_once(|| Network::new(Vec::new(), crate::random::u64()))
}

/// The names of UNIX sockets.
pub fn names() -> &'static Arc<Names> {
    NAMES.call_once(|| Arc::new(Names::new()))
}

/// Makes the network of `cards` and the thread that serves it; `command_line` may give an address
/// (`ip=`). Once, at boot.
pub fn start(cards: Vec<Box<dyn NetDevice>>, command_line: &str) {
    let network = NETWORK.call_once(|| Network::new(cards, crate::random::u64()));
    let source = AddressSource::from_command_line(command_line).unwrap_or_else(|| {
        log::warn!("the command line's ip= makes no sense: asking DHCP");
        AddressSource::default()
    });
    let spawned = smp::spawn(ThreadSpec::new("net", move || network.serve()));
    if let Err(error) = spawned {
        log::error!("no thread for the network: {error:?}");
    }
    network.configure(source);
    report::publish();
}

/// A network card interrupted. Any context.
pub fn interrupt() {
    if let Some(network) = NETWORK.get() {
        network.interrupt();
    }
}

/// The kind of socket that family, type and protocol name.
pub fn kind(family: u16, socket_type: u32, protocol: u32) -> Result<Kind> {
    match (family, socket_type, protocol) {
        (_, SOCK_MAX.., _) => Err(Errno::EINVAL),
        (AF_UNIX, _, 2..) => Err(Errno::EPROTONOSUPPORT),
        (AF_UNIX, SOCK_STREAM, _) => Ok(Kind::UnixStream),
        // Linux: a raw UNIX socket is a datagram socket.
        (AF_UNIX, SOCK_DGRAM | SOCK_RAW, _) => Ok(Kind::UnixDatagram),
        (AF_UNIX, SOCK_SEQPACKET, _) => Ok(Kind::UnixSequencedPacket),
        (AF_INET, _, IPPROTO_MAX..) => Err(Errno::EINVAL),
        (AF_INET, SOCK_STREAM, 0 | IPPROTO_TCP) => Ok(Kind::Tcp),
        (AF_INET, SOCK_DGRAM, 0 | IPPROTO_UDP) => Ok(Kind::Udp),
        (AF_INET, SOCK_DGRAM, IPPROTO_ICMP) => Ok(Kind::Ping),
        (AF_INET, SOCK_RAW, 1..=255) => Ok(Kind::Raw(protocol as u8)),
        (AF_INET, SOCK_STREAM | SOCK_DGRAM | SOCK_RAW, _) => Err(Errno::EPROTONOSUPPORT),
        (AF_UNIX | AF_INET, _, _) => Err(Errno::ESOCKTNOSUPPORT),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

fn is_unix(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::UnixStream | Kind::UnixDatagram | Kind::UnixSequencedPacket
    )
}

fn is_stream(kind: Kind) -> bool {
    matches!(kind, Kind::Tcp | Kind::UnixStream)
}

/// A new socket made by `creator`.
pub fn create(kind: Kind, creator: Credentials) -> Result<Arc<SocketFile>> {
    let socket: Arc<dyn net::Socket> = match is_unix(kind) {
        true => UnixSocket::new(names().clone(), kind, creator),
        false => network().socket(kind).map_err(|_| Errno::EPROTONOSUPPORT)?,
    };
    Ok(SocketFile::new(socket))
}

/// Two sockets connected to each other: UNIX kinds only.
pub fn create_pair(kind: Kind, creator: Credentials) -> Result<(Arc<SocketFile>, Arc<SocketFile>)> {
    if !is_unix(kind) {
        return Err(Errno::EOPNOTSUPP);
    }
    let (one, other) = UnixSocket::pair(names(), kind, creator);
    Ok((SocketFile::new(one), SocketFile::new(other)))
}
