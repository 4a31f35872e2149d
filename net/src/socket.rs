//! What every kind of socket can do.

use crate::{Address, ByteSink, ByteSource, Error, Options, Readiness, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

/// Family, type and protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Tcp,
    Udp,
    /// ICMP echo for anyone (`SOCK_DGRAM`, `IPPROTO_ICMP`).
    Ping,
    /// IPv4 packets of one protocol.
    Raw(u8),
    UnixStream,
    UnixDatagram,
    UnixSequencedPacket,
}

/// How far a connection attempt came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Done,
    /// Readiness for writing or an error ends it; [`Socket::take_error`] tells which.
    InProgress,
}

/// Which directions to shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    Read,
    Write,
    Both,
}

impl Shutdown {
    pub fn reads(self) -> bool {
        self != Shutdown::Write
    }

    pub fn writes(self) -> bool {
        self != Shutdown::Read
    }
}

/// A connection taken from a listening socket.
pub struct Accepted {
    pub socket: Arc<dyn Socket>,
    pub peer: Address,
}

/// Who sent a message or made a connection (unix(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub process: i32,
    pub user: u32,
    pub group: u32,
}

impl Credentials {
    /// What is known when the other side never said.
    pub const NOBODY: Credentials = Credentials {
        process: 0,
        user: 65534,
        group: 65534,
    };
}

/// An open file that travels in a message; opaque here.
pub type Right = Arc<dyn Any + Send + Sync>;

/// What travels beside the bytes of a message.
#[derive(Clone, Default)]
pub struct Ancillary {
    pub rights: Vec<Right>,
    pub credentials: Option<Credentials>,
}

impl Ancillary {
    pub fn is_empty(&self) -> bool {
        self.rights.is_empty() && self.credentials.is_none()
    }
}

/// Everything about a message to be sent except its bytes.
#[derive(Default)]
pub struct Message<'a> {
    pub to: Option<&'a Address>,
    pub ancillary: Ancillary,
}

/// What came with received bytes.
#[derive(Default)]
pub struct Received {
    /// Bytes stored.
    pub length: usize,
    /// Length of the whole message, of which the rest was dropped; equals `length` on streams.
    pub full_length: usize,
    pub from: Option<Address>,
    pub ancillary: Ancillary,
}

/// A socket. Every call returns at once.
pub trait Socket: Any + Send + Sync {
    fn kind(&self) -> Kind;

    fn readiness(&self) -> &Readiness;

    fn options(&self) -> Options;

    /// Changes options; they take effect at once where that is possible.
    fn update_options(&self, change: &mut dyn FnMut(&mut Options));

    /// The pending error, which is thereby reported and gone (`SO_ERROR`).
    fn take_error(&self) -> Option<Error> {
        None
    }

    fn bind(&self, address: &Address) -> Result<()>;

    fn listen(&self, _backlog: usize) -> Result<()> {
        Err(Error::NotSupported)
    }

    fn is_listening(&self) -> bool {
        false
    }

    /// Connects; `None` dissolves a datagram socket's association (`AF_UNSPEC`).
    fn connect(&self, address: Option<&Address>) -> Result<Progress>;

    fn accept(&self) -> Result<Accepted> {
        Err(Error::NotSupported)
    }

    fn local_address(&self) -> Address;

    fn peer_address(&self) -> Result<Address>;

    /// Who made the other end (`SO_PEERCRED`).
    fn peer_credentials(&self) -> Result<Credentials> {
        Err(Error::NotSupported)
    }

    /// Sends what it can of `data` (streams) or all of it as one message.
    fn send(&self, data: &mut dyn ByteSource, message: Message<'_>) -> Result<usize>;

    /// Receives into `data`; with `peek` nothing is consumed. Length 0 is the end of a stream.
    fn receive(&self, data: &mut dyn ByteSink, peek: bool) -> Result<Received>;

    fn shutdown(&self, how: Shutdown) -> Result<()>;

    /// Bytes that can be received now (`FIONREAD`).
    fn receivable(&self) -> usize;

    /// Bytes not yet delivered to the peer (`SIOCOUTQ`).
    fn unsent(&self) -> usize {
        0
    }
}
