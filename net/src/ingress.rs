//! A look at every received frame before the stack gets it.
//!
//! UDP datagrams, and copies of what raw and ping sockets asked for, are delivered from here, so
//! that those sockets own no receive buffers in the stack; a SYN for a listening port makes the
//! socket that will answer it. Whatever is malformed is left to the stack, which drops it.

use crate::network::Network;
use crate::stack::Stack;
use crate::unreachable;
use alloc::sync::Arc;
use core::net::{Ipv4Addr, SocketAddrV4};
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, Icmpv4Message, Icmpv4Packet, IpAddress, IpProtocol,
    Ipv4Packet, TcpPacket, UdpPacket,
};

/// What the stack's owner must know about a frame that was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Note {
    /// The frame may reset a connection.
    pub may_reset: bool,
}

/// What a look at the staged frame decided.
enum Verdict {
    /// The stack gets the frame.
    Pass(Note),
    /// A socket got it, or nobody may.
    Consume,
    /// A connection attempt at this address.
    Syn(SocketAddrV4),
}

const PASS: Verdict = Verdict::Pass(Note { may_reset: false });

/// Looks at the staged frame and delivers, prepares or drops.
pub(crate) fn inspect(stack: &mut Stack, network: &Network) -> Note {
    match verdict(stack, network) {
        Verdict::Pass(note) => note,
        Verdict::Consume => {
            stack.link.consume();
            Note::default()
        }
        Verdict::Syn(to) => {
            let listeners = network.tcp_ports.holders(*to.ip(), to.port());
            let mut listeners = listeners.into_iter().flatten();
            // The first has the most specific address; without one, the stack answers with a reset.
            if let Some(listener) = listeners.next()
                && !stack.conceive(&listener, to)
            {
                stack.link.consume();
            }
            Note::default()
        }
    }
}

fn verdict(stack: &Stack, network: &Network) -> Verdict {
    let Some(packet) = packet(stack) else {
        return PASS;
    };
    if packet.more_frags() || packet.frag_offset() != 0 {
        // Not reassembled; the stack would take a fragment for the whole.
        return Verdict::Consume;
    }
    let local = network.owns(packet.dst_addr());
    if local {
        network.raw.deliver(&packet, stack.link.is_loopback());
    }
    match packet.next_header() {
        IpProtocol::Tcp if local => tcp(stack, &packet),
        IpProtocol::Udp => udp(stack, network, &packet, local),
        IpProtocol::Icmp if local => icmp(stack, network, &packet),
        _ => PASS,
    }
}

type Packet<'a> = Ipv4Packet<&'a [u8]>;

/// The staged frame's IPv4 packet, when it holds a sound one that is meant for us.
fn packet(stack: &Stack) -> Option<Packet<'_>> {
    let frame = stack.link.frame();
    let Some(mac) = stack.link.mac() else {
        return Ipv4Packet::new_checked(frame).ok();
    };
    let frame = EthernetFrame::new_checked(frame).ok()?;
    let to = frame.dst_addr();
    if frame.ethertype() != EthernetProtocol::Ipv4
        || !(to.0 == mac || to.is_multicast() || to.is_broadcast())
    {
        return None;
    }
    let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
    (packet.version() == 4 && packet.verify_checksum()).then_some(packet)
}

fn tcp(stack: &Stack, packet: &Packet<'_>) -> Verdict {
    let Ok(segment) = TcpPacket::new_checked(packet.payload()) else {
        return PASS;
    };
    if segment.rst() {
        return Verdict::Pass(Note { may_reset: true });
    }
    if !segment.syn() || segment.ack() || segment.fin() {
        return PASS;
    }
    let (from, to) = (packet.src_addr(), packet.dst_addr());
    let sound = stack.link.is_loopback() || segment.verify_checksum(&from.into(), &to.into());
    let from = SocketAddrV4::new(from, segment.src_port());
    let to = SocketAddrV4::new(to, segment.dst_port());
    if !sound || stack.has_connection(to, from) {
        return PASS;
    }
    Verdict::Syn(to)
}

fn udp(stack: &Stack, network: &Network, packet: &Packet<'_>, local: bool) -> Verdict {
    let Ok(datagram) = UdpPacket::new_checked(packet.payload()) else {
        return PASS;
    };
    let (from, to) = (packet.src_addr(), packet.dst_addr());
    let broadcast = !local && network.interfaces()[stack.index].broadcasts(to);
    let checks: (IpAddress, IpAddress) = (from.into(), to.into());
    if !stack.link.is_loopback() && !datagram.verify_checksum(&checks.0, &checks.1) {
        return PASS;
    }
    let from = SocketAddrV4::new(from, datagram.src_port());
    let port = datagram.dst_port();
    let takes = |receiver: &Arc<crate::datagram::Receiver>| {
        receiver.state.lock().peer.is_none_or(|peer| peer == from)
    };
    let mut receivers = match (local, broadcast) {
        (true, _) => network.udp_ports.holders(to, port),
        (_, true) => network.udp_ports.all_holders(port),
        _ => return PASS,
    };
    receivers.retain(takes);
    if local {
        // One receiver: a connected one rather than another.
        let connected =
            |receiver: &Arc<crate::datagram::Receiver>| receiver.state.lock().peer.is_some();
        let best = receivers.iter().position(connected).unwrap_or(0);
        receivers = receivers.into_iter().skip(best).take(1).collect();
    }
    for receiver in &receivers {
        receiver.deliver(from, &[], datagram.payload());
    }
    if receivers.is_empty() {
        PASS
    } else {
        Verdict::Consume
    }
}

/// An ICMP error tells the UDP socket whose datagram caused it.
fn icmp(stack: &Stack, network: &Network, packet: &Packet<'_>) -> Verdict {
    let Ok(message) = Icmpv4Packet::new_checked(packet.payload()) else {
        return PASS;
    };
    if message.msg_type() != Icmpv4Message::DstUnreachable
        || !(stack.link.is_loopback() || message.verify_checksum())
    {
        return PASS;
    }
    let (error, hard) = unreachable::meaning(message.msg_code());
    if let Some((from, to)) = quoted_udp(message.data()) {
        for receiver in network.udp_ports.holders(*from.ip(), from.port()) {
            if receiver.state.lock().hears_of(to, hard) {
                receiver.fail(error);
            }
        }
    }
    PASS
}

/// Source and destination of the UDP datagram an ICMP error quotes. The quote is cut short, so its
/// lengths do not check out: only the fixed fields are read.
fn quoted_udp(quote: &[u8]) -> Option<(SocketAddrV4, SocketAddrV4)> {
    const UDP: u8 = 17;
    let header = usize::from(quote.first()? & 0xf) * 4;
    let address = |at: usize| {
        let bytes: [u8; 4] = quote.get(at..at + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(bytes))
    };
    let port = |at: usize| Some(u16::from_be_bytes(quote.get(at..at + 2)?.try_into().ok()?));
    if *quote.get(9)? != UDP || header < 20 {
        return None;
    }
    let from = SocketAddrV4::new(address(12)?, port(header)?);
    Some((from, SocketAddrV4::new(address(16)?, port(header + 2)?)))
}
