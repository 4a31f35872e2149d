//! Building IPv4 packets for loopback and raw sockets.

use crate::{ByteSource, Error, Result};
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use smoltcp::wire::{IpProtocol, Ipv4Packet};

pub(crate) const IPV4_HEADER: usize = 20;
pub(crate) const UDP_HEADER: usize = 8;
/// The longest IPv4 packet.
const MAX_PACKET: usize = 65535;

/// An IPv4 header to be written.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    pub from: Ipv4Addr,
    pub to: Ipv4Addr,
    pub protocol: u8,
    pub ttl: u8,
}

/// Room for `headroom` bytes, followed by all bytes of `data`.
pub(crate) fn gather(headroom: usize, data: &mut dyn ByteSource) -> Result<Vec<u8>> {
    let length = headroom + data.remaining();
    if length > MAX_PACKET {
        return Err(Error::MessageTooLong);
    }
    let mut bytes = crate::tcp::zeroed(length)?;
    let mut filled = headroom;
    while filled < length {
        match data.take(&mut bytes[filled..])? {
            0 => return Err(Error::Fault),
            count => filled += count,
        }
    }
    Ok(bytes)
}

impl Header {
    /// Writes the header into the first bytes of `packet`, whose payload is in place.
    pub fn write(self, packet: &mut [u8]) {
        let length = packet.len().min(MAX_PACKET) as u16;
        let mut header = Ipv4Packet::new_unchecked(packet);
        header.set_version(4);
        header.set_header_len(IPV4_HEADER as u8);
        header.set_total_len(length);
        header.set_dont_frag(true);
        header.set_hop_limit(self.ttl);
        header.set_next_header(IpProtocol::from(self.protocol));
        header.set_src_addr(self.from);
        header.set_dst_addr(self.to);
        header.fill_checksum();
    }
}

/// Writes a UDP header after the IPv4 header. Its checksum stays 0, "none": only loopback, where
/// nothing garbles packets, gets datagrams built here.
pub(crate) fn write_udp_header(packet: &mut [u8], from: u16, to: u16) {
    let length = (packet.len() - IPV4_HEADER) as u16;
    let header = &mut packet[IPV4_HEADER..IPV4_HEADER + UDP_HEADER];
    for (field, value) in header.chunks_exact_mut(2).zip([from, to, length, 0]) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}
