//! Networking: interfaces over smoltcp, TCP, UDP and ICMP sockets, and UNIX-domain sockets.
//!
//! Nothing here blocks and nothing knows system calls: every operation either completes or says
//! [`Error::WouldBlock`], and [`Readiness`] tells when to try again. The kernel puts descriptors,
//! waiting and errno on top; the host tests put threads on top.
//!
//! - [`NetDevice`]: what a network card driver implements.
//! - [`Network`]: the interfaces (`lo` first), routes, ports and the service loop.
//! - [`Socket`]: what every kind of socket can do; made by [`Network::socket`] and [`unix`].

#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod address;
mod bytes;
mod config;
mod datagram;
mod device;
mod dhcp;
mod error;
mod ingress;
mod interface;
mod link;
mod network;
mod news;
mod options;
mod packet;
mod ports;
mod raw;
mod readiness;
mod report;
mod socket;
mod stack;
mod tcp;
mod udp;
pub mod unix;
mod unreachable;

pub use address::{Address, Inode, UnixAddress};
pub use bytes::{ByteSink, ByteSource, Faulted};
pub use config::{AddressSource, Assignment};
pub use device::NetDevice;
pub use error::{Error, Result};
pub use interface::Interface;
pub use link::Traffic;
pub use network::Network;
pub use options::Options;
pub use readiness::{Readiness, Ready};
pub use socket::{
    Accepted, Ancillary, Credentials, Kind, Message, Progress, Received, Right, Shutdown, Socket,
};
