//! Raw IPv4 sockets, and ping sockets: ICMP echo without privileges (`SOCK_DGRAM`).

use crate::datagram::{Protocol, Receiver};
use crate::network::{LOOPBACK, Network};
use crate::packet::{Header, IPV4_HEADER, gather};
use crate::ports::{Lease, Ports, Sharing};
use crate::udp::receive_datagram;
use crate::{
    Address, ByteSink, ByteSource, Error, Kind, Message, Options, Progress, Readiness, Received,
    Result, Shutdown, Socket,
};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::sync::atomic::{AtomicUsize, Ordering};
use smoltcp::wire::{Icmpv4Message, Icmpv4Packet, Ipv4Packet};
use smp::{Mutex, SpinLock};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// `IPPROTO_RAW`: send only, any protocol.
const ANYTHING: u8 = 255;
const ICMP_HEADER: usize = 8;

/// The raw and ping sockets, by what they receive.
pub(crate) struct RawTable {
    raw: SpinLock<Vec<(u8, Arc<Receiver>)>>,
    raw_sockets: AtomicUsize,
    /// Echo identifiers, which are ping sockets' ports.
    echo: Arc<Ports<Arc<Receiver>>>,
}

impl RawTable {
    pub fn new() -> Self {
        Self {
            raw: SpinLock::new(Vec::new()),
            raw_sockets: AtomicUsize::new(0),
            echo: Ports::new(0),
        }
    }

    /// Gives copies of a packet for this machine to the sockets that want it.
    pub fn deliver(&self, packet: &Ipv4Packet<&[u8]>, trusted: bool) {
        let from = SocketAddrV4::new(packet.src_addr(), 0);
        let protocol = u8::from(packet.next_header());
        if self.raw_sockets.load(Ordering::Relaxed) > 0 {
            let length = usize::from(packet.total_len());
            let bytes = &packet.clone().into_inner()[..length];
            for receiver in self.listeners(protocol, packet.src_addr()) {
                receiver.deliver(from, bytes, &[]);
            }
        }
        if protocol == ICMP {
            self.deliver_echo(from, packet.payload(), trusted);
        }
    }

    fn listeners(&self, protocol: u8, from: Ipv4Addr) -> Vec<Arc<Receiver>> {
        let wants = |receiver: &Receiver| {
            receiver
                .state
                .lock()
                .peer
                .is_none_or(|peer| *peer.ip() == from)
        };
        let raw = self.raw.lock();
        let matching = raw
            .iter()
            .filter(|(wanted, receiver)| *wanted == protocol && wants(receiver));
        matching.map(|(_, receiver)| receiver.clone()).collect()
    }

    fn deliver_echo(&self, from: SocketAddrV4, bytes: &[u8], trusted: bool) {
        let Ok(message) = Icmpv4Packet::new_checked(bytes) else {
            return;
        };
        if message.msg_type() != Icmpv4Message::EchoReply || !(trusted || message.verify_checksum())
        {
            return;
        }
        for receiver in self.echo.all_holders(message.echo_ident()) {
            receiver.deliver(from, bytes, &[]);
        }
    }
}

pub struct RawSocket {
    network: Arc<Network>,
    kind: Kind,
    protocol: u8,
    receiver: Arc<Receiver>,
    /// The address we are bound to; its port is the echo identifier.
    bound: SpinLock<SocketAddrV4>,
    echo: SpinLock<Option<Lease<Arc<Receiver>>>>,
    senders: Mutex<Vec<(usize, u64)>>,
}

impl RawSocket {
    pub(crate) fn new(network: Arc<Network>, kind: Kind) -> Result<Self> {
        let protocol = match kind {
            Kind::Raw(TCP | UDP | ANYTHING) => return Err(Error::NotSupported),
            Kind::Raw(protocol) => protocol,
            _ => ICMP,
        };
        let receiver = Receiver::new();
        let mut bound = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        let mut echo = None;
        if kind == Kind::Ping {
            let lease = network
                .raw
                .echo
                .claim(bound, Sharing::default(), receiver.clone())?;
            bound.set_port(lease.address.port());
            echo = Some(lease);
        } else {
            network.raw.raw.lock().push((protocol, receiver.clone()));
            network.raw.raw_sockets.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Self {
            network,
            kind,
            protocol,
            receiver,
            bound: SpinLock::new(bound),
            echo: SpinLock::new(echo),
            senders: Mutex::new(Vec::new()),
        })
    }

    /// Makes an echo request ours: its identifier is our port, and the checksum follows.
    fn claim_echo(&self, message: &mut [u8]) -> Result<()> {
        if message.len() < ICMP_HEADER {
            return Err(Error::InvalidArgument);
        }
        let mut message = Icmpv4Packet::new_unchecked(message);
        if message.msg_type() != Icmpv4Message::EchoRequest || message.msg_code() != 0 {
            return Err(Error::InvalidArgument);
        }
        message.set_echo_ident(self.bound.lock().port());
        message.fill_checksum();
        Ok(())
    }

    /// The packet to send to `to`, and the interface it leaves by.
    fn build(&self, to: Ipv4Addr, data: &mut dyn ByteSource) -> Result<(usize, Vec<u8>)> {
        let options = self.options();
        let route = self.network.route(to)?;
        if route.broadcast && !options.broadcast {
            return Err(Error::AccessDenied);
        }
        let bound = *self.bound.lock().ip();
        let from = if bound.is_unspecified() {
            route.source
        } else {
            bound
        };
        let own_header = options.header_included && self.kind != Kind::Ping;
        let headroom = if own_header { 0 } else { IPV4_HEADER };
        let mut packet = gather(headroom, data)?;
        if packet.len() > self.network.interfaces()[route.interface].mtu() {
            return Err(Error::MessageTooLong);
        }
        if self.kind == Kind::Ping {
            self.claim_echo(&mut packet[IPV4_HEADER..])?;
        }
        let to = if to.is_unspecified() {
            Ipv4Addr::LOCALHOST
        } else {
            to
        };
        if own_header {
            check_header(&packet, self.protocol, to)?;
        } else {
            Header {
                from,
                to,
                protocol: self.protocol,
                ttl: options.time_to_live,
            }
            .write(&mut packet);
        }
        Ok((route.interface, packet))
    }

    fn send_out(&self, interface: usize, packet: &[u8]) -> Result<()> {
        let mut senders = self.senders.lock();
        self.network.with_stack(interface, |stack| {
            let id = match senders.iter().find(|(index, _)| *index == interface) {
                Some(&(_, id)) => id,
                None => {
                    let id =
                        stack.add_sender(Protocol::Ip(self.protocol), self.receiver.clone())?;
                    senders.push((interface, id));
                    id
                }
            };
            stack.send_packet(id, packet)
        })
    }
}

/// A header that came with a packet must be whole, and agree with where the packet is sent.
fn check_header(packet: &[u8], protocol: u8, to: Ipv4Addr) -> Result<()> {
    let header = Ipv4Packet::new_checked(packet).map_err(|_| Error::InvalidArgument)?;
    let sound = header.version() == 4
        && usize::from(header.header_len()) >= IPV4_HEADER
        && usize::from(header.total_len()) == packet.len()
        && u8::from(header.next_header()) == protocol
        && header.dst_addr() == to;
    if sound {
        Ok(())
    } else {
        Err(Error::InvalidArgument)
    }
}

impl Socket for RawSocket {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn readiness(&self) -> &Readiness {
        &self.receiver.readiness
    }

    fn options(&self) -> Options {
        self.receiver.options()
    }

    fn update_options(&self, change: &mut dyn FnMut(&mut Options)) {
        self.receiver.update_options(change);
    }

    fn take_error(&self) -> Option<Error> {
        self.receiver.take_error()
    }

    fn bind(&self, address: &Address) -> Result<()> {
        let address = address.clone().inet().ok_or(Error::WrongFamily)?;
        self.network.check_local(*address.ip())?;
        let mut bound = self.bound.lock();
        bound.set_ip(*address.ip());
        if self.kind == Kind::Ping && address.port() != 0 {
            let receiver = self.receiver.clone();
            let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, address.port());
            let lease = self
                .network
                .raw
                .echo
                .claim(any, Sharing::default(), receiver)?;
            bound.set_port(address.port());
            *self.echo.lock() = Some(lease);
        }
        Ok(())
    }

    fn connect(&self, address: Option<&Address>) -> Result<Progress> {
        let peer = match address {
            None => None,
            Some(address) => Some(address.clone().inet().ok_or(Error::WrongFamily)?),
        };
        if let Some(peer) = peer {
            self.network.route(*peer.ip())?;
        }
        self.receiver.update(|state| state.peer = peer);
        Ok(Progress::Done)
    }

    fn local_address(&self) -> Address {
        Address::Inet(*self.bound.lock())
    }

    fn peer_address(&self) -> Result<Address> {
        let peer = self.receiver.state.lock().peer;
        peer.map(Address::Inet).ok_or(Error::NotConnected)
    }

    fn send(&self, data: &mut dyn ByteSource, message: Message<'_>) -> Result<usize> {
        if self.receiver.state.lock().mute {
            return Err(Error::BrokenPipe);
        }
        let peer = self.receiver.state.lock().peer;
        let to = match message.to {
            Some(address) => address.clone().inet().ok_or(Error::WrongFamily)?,
            None => peer.ok_or(Error::DestinationRequired)?,
        };
        let length = data.remaining();
        let (interface, packet) = self.build(*to.ip(), data)?;
        if interface == LOOPBACK {
            self.network
                .with_stack(LOOPBACK, |stack| stack.link.loop_back(packet));
        } else {
            self.send_out(interface, &packet)?;
        }
        Ok(length)
    }

    fn receive(&self, data: &mut dyn ByteSink, peek: bool) -> Result<Received> {
        receive_datagram(&self.receiver, data, peek)
    }

    fn shutdown(&self, how: Shutdown) -> Result<()> {
        self.peer_address()?;
        self.receiver.shutdown(how);
        Ok(())
    }

    fn receivable(&self) -> usize {
        self.receiver.state.lock().next_length()
    }
}

impl Drop for RawSocket {
    fn drop(&mut self) {
        if self.kind != Kind::Ping {
            self.network
                .raw
                .raw
                .lock()
                .retain(|(_, receiver)| !Arc::ptr_eq(receiver, &self.receiver));
            self.network.raw.raw_sockets.fetch_sub(1, Ordering::Relaxed);
        }
        for &(interface, id) in &*self.senders.lock() {
            self.network
                .with_stack(interface, |stack| stack.remove_sender(id));
        }
    }
}
