//! Socket addresses of the families we speak.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;
use core::net::{Ipv4Addr, SocketAddrV4};

/// The address of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Inet(SocketAddrV4),
    Unix(UnixAddress),
}

impl Address {
    /// The wildcard: any address, port to be chosen.
    pub const ANY: Address = Address::Inet(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));

    pub fn inet(self) -> Option<SocketAddrV4> {
        match self {
            Address::Inet(address) => Some(address),
            Address::Unix(_) => None,
        }
    }
}

/// The name of a UNIX-domain socket (unix(7)).
#[derive(Clone)]
pub enum UnixAddress {
    Unnamed,
    /// Bytes after the leading NUL of `sun_path`; they live in no file system.
    Abstract(Vec<u8>),
    /// A file: the name as it was given, and what identifies the file.
    Path {
        path: Vec<u8>,
        inode: Inode,
    },
}

/// A file-system object that carries a socket's name.
#[derive(Clone)]
pub struct Inode {
    pub device: u64,
    pub number: u64,
    /// Keeps the inode, and so its number, from being reused while a socket has its name.
    pub pin: Arc<dyn Any + Send + Sync>,
}

impl PartialEq for UnixAddress {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unnamed, Self::Unnamed) => true,
            (Self::Abstract(a), Self::Abstract(b)) => a == b,
            (Self::Path { inode: a, .. }, Self::Path { inode: b, .. }) => a.key() == b.key(),
            _ => false,
        }
    }
}

impl Eq for UnixAddress {}

impl Inode {
    pub fn key(&self) -> (u64, u64) {
        (self.device, self.number)
    }
}

impl fmt::Debug for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unnamed => f.write_str("unnamed"),
            Self::Abstract(name) => write!(f, "@{}", name.escape_ascii()),
            Self::Path { path, .. } => write!(f, "{}", path.escape_ascii()),
        }
    }
}
