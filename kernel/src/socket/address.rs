//! Socket addresses in user memory: `struct sockaddr_in` and `sockaddr_un`.

use super::{AF_INET, AF_UNIX, path};
use crate::error::{Errno, Result};
use crate::user_memory::{UserPtr, copy_in, copy_out};
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};
use net::{Address, UnixAddress};

const AF_UNSPEC: u16 = 0;
/// `sizeof(struct sockaddr_storage)`.
const MAX_LENGTH: usize = 128;
const FAMILY_LENGTH: usize = 2;
const INET_LENGTH: usize = 16;
/// `sizeof(struct sockaddr_un)`.
const UNIX_LENGTH: usize = 110;

/// What an address argument says.
pub enum Given {
    Address(Address),
    /// `AF_UNSPEC`.
    Unspecified,
    /// A UNIX path, which is still to be looked up (connect, send) or made (bind).
    Path(Vec<u8>),
}

/// Reads the address of `length` bytes at `address`.
pub fn read(address: usize, length: usize) -> Result<Given> {
    if length > MAX_LENGTH {
        return Err(Errno::EINVAL);
    }
    let mut bytes = [0; MAX_LENGTH];
    copy_in(address, &mut bytes[..length])?;
    parse(&bytes[..length])
}

fn parse(bytes: &[u8]) -> Result<Given> {
    let Some((family, rest)) = bytes.split_first_chunk() else {
        return Err(Errno::EINVAL);
    };
    match u16::from_ne_bytes(*family) {
        AF_UNSPEC => Ok(Given::Unspecified),
        AF_INET => inet(rest).map(Given::Address),
        AF_UNIX => unix(rest),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

fn inet(rest: &[u8]) -> Result<Address> {
    if rest.len() < INET_LENGTH - FAMILY_LENGTH {
        return Err(Errno::EINVAL);
    }
    let port = u16::from_be_bytes([rest[0], rest[1]]);
    let ip = Ipv4Addr::new(rest[2], rest[3], rest[4], rest[5]);
    Ok(Address::Inet(SocketAddrV4::new(ip, port)))
}

fn unix(rest: &[u8]) -> Result<Given> {
    if rest.len() > UNIX_LENGTH - FAMILY_LENGTH {
        return Err(Errno::EINVAL);
    }
    match rest {
        [] => Ok(Given::Address(Address::Unix(UnixAddress::Unnamed))),
        [0, name @ ..] => Ok(Given::Address(Address::Unix(UnixAddress::Abstract(
            name.to_vec(),
        )))),
        path => {
            let end = path
                .iter()
                .position(|&byte| byte == 0)
                .unwrap_or(path.len());
            Ok(Given::Path(path[..end].to_vec()))
        }
    }
}

impl Given {
    /// The address to connect or send to: paths are looked up. `None` for `AF_UNSPEC`.
    pub fn destination(self) -> Result<Option<Address>> {
        match self {
            Given::Address(address) => Ok(Some(address)),
            Given::Unspecified => Ok(None),
            Given::Path(name) => path::find(&name).map(Some),
        }
    }
}

/// The bytes of `address`, as in user memory.
fn bytes_of(address: &Address) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(INET_LENGTH);
    match address {
        Address::Inet(address) => {
            bytes.extend(AF_INET.to_ne_bytes());
            bytes.extend(address.port().to_be_bytes());
            bytes.extend(address.ip().octets());
            bytes.resize(INET_LENGTH, 0);
        }
        Address::Unix(name) => {
            bytes.extend(AF_UNIX.to_ne_bytes());
            match name {
                UnixAddress::Unnamed => {}
                UnixAddress::Abstract(name) => {
                    bytes.push(0);
                    bytes.extend(name);
                }
                UnixAddress::Path { path, .. } => {
                    bytes.extend(path);
                    bytes.push(0);
                }
            }
        }
    }
    bytes
}

/// Writes `address` to a buffer of `room` bytes, cut off if it does not fit; returns its length.
pub fn write_to(address: &Address, buffer: usize, room: usize) -> Result<usize> {
    let bytes = bytes_of(address);
    copy_out(buffer, &bytes[..bytes.len().min(room)])?;
    Ok(bytes.len())
}

/// Writes `address` to `buffer`, whose size is at `length`, where the address's length goes.
pub fn write(address: &Address, buffer: usize, length: usize) -> Result<()> {
    let length = UserPtr::<i32>::new(length);
    let room = usize::try_from(length.read()?).map_err(|_| Errno::EINVAL)?;
    let full = write_to(address, buffer, room)?;
    length.write(full as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internet_addresses_survive_the_round_trip() {
        let address = Address::Inet(SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 15), 0x1234));
        let bytes = bytes_of(&address);
        assert_eq!(bytes[..8], [2, 0, 0x12, 0x34, 10, 0, 2, 15]);
        assert!(matches!(parse(&bytes), Ok(Given::Address(same)) if same == address));
        assert!(matches!(parse(&bytes[..15]), Err(Errno::EINVAL)));
        assert!(matches!(parse(&[10, 0]), Err(Errno::EAFNOSUPPORT)));
        assert!(matches!(parse(&[2]), Err(Errno::EINVAL)));
    }

    #[test]
    fn unix_addresses_come_in_three_kinds() {
        assert!(matches!(
            parse(&[1, 0]),
            Ok(Given::Address(Address::Unix(UnixAddress::Unnamed)))
        ));
        let abstract_name = Address::Unix(UnixAddress::Abstract(b"a\0b".to_vec()));
        assert!(
            matches!(parse(b"\x01\0\0a\0b"), Ok(Given::Address(same)) if same == abstract_name)
        );
        assert!(matches!(parse(b"\x01\0/tmp/s\0junk"), Ok(Given::Path(path)) if path == b"/tmp/s"));
        assert!(matches!(parse(&[1; 111]), Err(Errno::EAFNOSUPPORT)));
    }
}
