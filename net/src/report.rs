//! What /proc/net shows, in Linux's formats (proc(5)).

use crate::network::Network;
use crate::tcp::v4;
use crate::unix::Names;
use crate::{Address, Kind, Socket, UnixAddress};
use alloc::format;
use alloc::string::String;
use core::fmt::Write;
use core::net::{Ipv4Addr, SocketAddrV4};
use smoltcp::socket::tcp::{self, State};

const LISTEN: u8 = 0x0a;
const NOWHERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);

/// Addresses are printed as the machine word that holds the bytes in network order.
fn hex(address: SocketAddrV4) -> String {
    format!(
        "{:08X}:{:04X}",
        u32::from_le_bytes(address.ip().octets()),
        address.port()
    )
}

/// A line of /proc/net/tcp or udp. Queues are bytes; times, owner and inode are not known here.
fn line(
    number: usize,
    local: SocketAddrV4,
    remote: SocketAddrV4,
    state: u8,
    queues: (usize, usize),
) -> String {
    let (local, remote, (send, receive)) = (hex(local), hex(remote), queues);
    format!(
        "{number:4}: {local} {remote} {state:02X} {send:08X}:{receive:08X} 00:00000000 00000000     0        0 0 1\n"
    )
}

fn linux_state(state: State) -> u8 {
    match state {
        State::Established => 1,
        State::SynSent => 2,
        State::SynReceived => 3,
        State::FinWait1 => 4,
        State::FinWait2 => 5,
        State::TimeWait => 6,
        State::Closed => 7,
        State::CloseWait => 8,
        State::LastAck => 9,
        State::Listen => LISTEN,
        State::Closing => 11,
    }
}

impl Network {
    /// /proc/net/tcp.
    pub fn report_tcp(&self) -> String {
        let mut text = String::from(
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
        );
        let mut number = 0;
        for listener in self
            .tcp_ports
            .everyone()
            .into_iter()
            .filter_map(|(_, listener)| listener)
        {
            let queues = (0, listener.waiting());
            text += &line(number, listener.address, NOWHERE, LISTEN, queues);
            number += 1;
        }
        for interface in self.interfaces() {
            let stack = interface.stack();
            for connection in stack.connections.values() {
                let socket = stack.sockets.get::<tcp::Socket>(connection.handle);
                let local = v4(socket.local_endpoint()).unwrap_or(NOWHERE);
                let remote = v4(socket.remote_endpoint()).unwrap_or(NOWHERE);
                let queues = (socket.send_queue(), connection.queued(socket));
                text += &line(number, local, remote, linux_state(socket.state()), queues);
                number += 1;
            }
        }
        text
    }

    /// /proc/net/udp.
    pub fn report_udp(&self) -> String {
        const UNCONNECTED: u8 = 7;
        let mut text = String::from(
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
        );
        for (number, (local, receiver)) in self.udp_ports.everyone().into_iter().enumerate() {
            let state = receiver.state.lock();
            let remote = state.peer.unwrap_or(NOWHERE);
            let code = if state.peer.is_some() { 1 } else { UNCONNECTED };
            text += &line(number, local, remote, code, (0, state.queued_bytes()));
        }
        text
    }

    /// /proc/net/dev.
    pub fn report_devices(&self) -> String {
        let mut text = String::from(
            "Inter-|   Receive                                                |  Transmit\n \
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n",
        );
        for interface in self.interfaces() {
            let traffic = interface.traffic();
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{:>6}: {:7} {:7}    0    0    0     0          0         0 {:8} {:7}    0    0    0     0       0          0",
                interface.name(),
                traffic.received_bytes,
                traffic.received_packets,
                traffic.sent_bytes,
                traffic.sent_packets,
            );
        }
        text
    }

    /// /proc/net/route.
    pub fn report_routes(&self) -> String {
        const UP: u16 = 1;
        const GATEWAY: u16 = 2;
        let mut text = String::from(
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n",
        );
        let word = |address: Ipv4Addr| u32::from_le_bytes(address.octets());
        for interface in self
            .interfaces()
            .iter()
            .filter(|interface| !interface.is_loopback())
        {
            let Some(assignment) = interface.assignment() else {
                continue;
            };
            let mut route = |to: Ipv4Addr, gateway: Ipv4Addr, flags: u16, mask: Ipv4Addr| {
                let name = interface.name();
                let (to, gateway, mask) = (word(to), word(gateway), word(mask));
                let _ = writeln!(
                    text,
                    "{name}\t{to:08X}\t{gateway:08X}\t{flags:04X}\t0\t0\t0\t{mask:08X}\t0\t0\t0"
                );
            };
            let any = Ipv4Addr::UNSPECIFIED;
            if let Some(gateway) = assignment.gateway {
                route(any, gateway, UP | GATEWAY, any);
            }
            let mask = assignment.netmask();
            let subnet = Ipv4Addr::from_bits(assignment.address.to_bits() & mask.to_bits());
            route(subnet, any, UP, mask);
        }
        text
    }

    /// /proc/net/pnp: what DHCP or the command line said, in the form of resolv.conf(5).
    pub fn report_name_servers(&self) -> String {
        let servers = self.name_servers();
        servers
            .iter()
            .map(|server| format!("nameserver {server}\n"))
            .collect()
    }
}

impl Names {
    /// /proc/net/unix: the sockets that have a name.
    pub fn report(&self) -> String {
        const ACCEPTS: u32 = 0x10000;
        let mut text = String::from("Num       RefCount Protocol Flags    Type St Inode Path\n");
        for socket in self.sockets() {
            let (flags, state) = if socket.is_listening() {
                (ACCEPTS, 1)
            } else {
                (0, 1)
            };
            let kind = match socket.kind() {
                Kind::UnixDatagram => 2,
                Kind::UnixSequencedPacket => 5,
                _ => 1,
            };
            let Address::Unix(name) = socket.local_address() else {
                continue;
            };
            let inode = match &name {
                UnixAddress::Path { inode, .. } => inode.number,
                _ => 0,
            };
            let _ = writeln!(
                text,
                "{:016x}: 00000002 00000000 {flags:08X} {kind:04X} {state:02X} {inode:5} {name:?}",
                0
            );
        }
        text
    }
}
