//! The smoltcp stack of one interface, and what is done each time it is driven.
//!
//! Everything here runs under the interface's lock. Driving the stack moves frames both ways until
//! nothing moves, then looks at every connection once and publishes what changed.

use crate::config::Assignment;
use crate::datagram::Sender;
use crate::dhcp::Dhcp;
use crate::ingress;
use crate::interface::NEVER;
use crate::link::{Link, Traffic};
use crate::network::Network;
use crate::news::News;
use crate::tcp::{Connection, v4};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr};

/// Frames taken from a card before connections are looked at, so that no flood keeps them waiting.
const INGRESS_BATCH: usize = 64;
/// When the stack says "at once" although nothing moved, the device is full or a packet waits for
/// something else: look again after this long.
const STALL_NS: u64 = 1_000_000;

pub(crate) struct Stack {
    pub index: usize,
    pub interface: Interface,
    pub link: Link,
    pub sockets: SocketSet<'static>,
    pub connections: BTreeMap<u64, Connection>,
    pub senders: BTreeMap<u64, Sender>,
    pub dhcp: Option<Dhcp>,
    /// Told when the lock is released.
    pub news: News,
    next_id: u64,
}

pub(crate) fn instant(now_ns: u64) -> Instant {
    Instant::from_micros((now_ns / 1000) as i64)
}

impl Stack {
    pub fn new(index: usize, mut link: Link, seed: u64) -> Self {
        let hardware = match link.mac() {
            Some(mac) => HardwareAddress::Ethernet(EthernetAddress(mac)),
            None => HardwareAddress::Ip,
        };
        let mut config = Config::new(hardware);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut link, instant(smp::now_ns()));
        // Loopback takes whatever is routed to it: all of 127/8 and the other interfaces' addresses.
        interface.set_any_ip(link.is_loopback());
        Self {
            index,
            interface,
            link,
            sockets: SocketSet::new(Vec::new()),
            connections: BTreeMap::new(),
            senders: BTreeMap::new(),
            dhcp: None,
            news: News::default(),
            next_id: 0,
        }
    }

    pub fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub fn traffic(&self) -> Traffic {
        self.link.traffic()
    }

    /// Whether there is a connection between these ends.
    pub fn has_connection(&self, local: SocketAddrV4, remote: SocketAddrV4) -> bool {
        self.connections.values().any(|connection| {
            let socket = self.sockets.get::<tcp::Socket>(connection.handle);
            v4(socket.local_endpoint()) == Some(local)
                && v4(socket.remote_endpoint()) == Some(remote)
        })
    }

    pub fn remove_socket(&mut self, handle: SocketHandle) {
        drop(self.sockets.remove(handle));
    }

    /// Gives the interface its address and default route, or takes them away.
    pub fn configure(&mut self, network: &Network, assignment: Option<Assignment>) {
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            if let Some(Assignment {
                address, prefix, ..
            }) = assignment
            {
                // The table holds at least one entry and was just emptied.
                let _ = addresses.push(IpCidr::new(address.into(), prefix));
            }
        });
        let routes = self.interface.routes_mut();
        routes.remove_default_ipv4_route();
        if let Some(gateway) = assignment.and_then(|assignment| assignment.gateway)
            && gateway.is_unicast_address()
        {
            // One default route always fits.
            let _ = routes.add_default_ipv4_route(gateway);
        }
        network.interfaces()[self.index].publish_assignment(assignment);
    }

    /// Moves frames until nothing moves, then publishes what changed and notes when to be driven
    /// again. Never waits.
    pub fn drive(&mut self, network: &Network) {
        let mut more = true;
        while more {
            let now = instant(smp::now_ns());
            let received = self.receive(network, now);
            self.transmit(now);
            // What was sent over loopback is received at once; its sockets are looked at when all
            // is quiet. A card may have any number of frames more.
            let looped = self.link.has_looped();
            if !looped {
                self.look_at_sockets(network);
            }
            more = looped || received == INGRESS_BATCH;
        }
        self.note_deadline(network);
    }

    fn receive(&mut self, network: &Network, now: Instant) -> usize {
        let mut received = 0;
        while received < INGRESS_BATCH && self.link.pull() {
            received += 1;
            let note = ingress::inspect(self, network);
            self.interface
                .poll_ingress_single(now, &mut self.link, &mut self.sockets);
            self.link.consume();
            if note.may_reset {
                self.note_resets();
            }
        }
        received
    }

    /// Sends until nothing more is to be sent; over loopback, until there is something to receive.
    fn transmit(&mut self, now: Instant) {
        loop {
            let result = self
                .interface
                .poll_egress(now, &mut self.link, &mut self.sockets);
            if result == PollResult::None || self.link.has_looped() {
                return;
            }
        }
    }

    fn look_at_sockets(&mut self, network: &Network) {
        let now_ns = smp::now_ns();
        self.look_at_connections(now_ns);
        self.look_at_senders(now_ns);
        if let Some(mut dhcp) = self.dhcp.take()
            && dhcp.look(self, network, now_ns)
        {
            self.dhcp = Some(dhcp);
        }
    }

    fn note_deadline(&mut self, network: &Network) {
        let now_ns = smp::now_ns();
        let timers = self.interface.poll_at(instant(now_ns), &self.sockets);
        let timers_ns = timers.map_or(NEVER, |at| at.total_micros().max(0) as u64 * 1000);
        let lingering = self
            .connections
            .values()
            .filter_map(Connection::forget_at_ns)
            .min();
        let pending = self
            .senders
            .values()
            .filter_map(Sender::give_up_at_ns)
            .min();
        let dhcp = self.dhcp.as_ref().map(|dhcp| dhcp.give_up_at_ns);
        let deadline_ns = [lingering, pending, dhcp]
            .into_iter()
            .flatten()
            .fold(timers_ns, u64::min);
        network.note_deadline(self.index, deadline_ns.max(now_ns + STALL_NS));
    }
}

/// The destinations smoltcp can route to.
pub(crate) trait UnicastAddress {
    fn is_unicast_address(&self) -> bool;
}

impl UnicastAddress for Ipv4Addr {
    fn is_unicast_address(&self) -> bool {
        !(self.is_unspecified() || self.is_broadcast() || self.is_multicast())
    }
}
