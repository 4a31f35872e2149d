//! UDP sockets.

use crate::datagram::{Protocol, Receiver};
use crate::link::LOOPBACK_MTU;
use crate::network::{LOOPBACK, Network, Route};
use crate::packet::{Header, IPV4_HEADER, UDP_HEADER, gather, write_udp_header};
use crate::ports::{Lease, Sharing};
use crate::{
    Address, ByteSink, ByteSource, Error, Kind, Message, Options, Progress, Readiness, Received,
    Result, Shutdown, Socket,
};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};
use smp::{Mutex, SpinLock};

const UDP: u8 = 17;

pub struct UdpSocket {
    network: Arc<Network>,
    receiver: Arc<Receiver>,
    lease: SpinLock<Option<UdpLease>>,
    /// Our sending halves: interface and number.
    senders: Mutex<Vec<(usize, u64)>>,
}

struct UdpLease {
    lease: Lease<Arc<Receiver>>,
    /// Bound to no address in particular; connecting narrows that for a while.
    wildcard: bool,
}

impl UdpSocket {
    pub(crate) fn new(network: Arc<Network>) -> Self {
        Self {
            network,
            receiver: Receiver::new(),
            lease: SpinLock::new(None),
            senders: Mutex::new(Vec::new()),
        }
    }

    /// Our address and port; takes a free port when there is none yet.
    fn bound(&self) -> Result<SocketAddrV4> {
        if let Some(held) = &*self.lease.lock() {
            return Ok(held.lease.address);
        }
        self.claim(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))
    }

    fn claim(&self, address: SocketAddrV4) -> Result<SocketAddrV4> {
        let options = self.options();
        let sharing = Sharing {
            address: options.reuse_address,
            port: options.reuse_port,
        };
        let lease = self
            .network
            .udp_ports
            .claim(address, sharing, self.receiver.clone())?;
        let address = lease.address;
        let wildcard = address.ip().is_unspecified();
        let mut held = self.lease.lock();
        if let Some(other) = &*held {
            // Another thread was faster.
            return Ok(other.lease.address);
        }
        *held = Some(UdpLease { lease, wildcard });
        Ok(address)
    }

    /// Checks the destination, finds the way there and the address to send from.
    fn plan(&self, to: SocketAddrV4) -> Result<(Route, SocketAddrV4)> {
        let bound = self.bound()?;
        if to.port() == 0 {
            return Err(Error::InvalidArgument);
        }
        let route = self.network.route(*to.ip())?;
        if route.broadcast && !self.options().broadcast {
            return Err(Error::AccessDenied);
        }
        let source = if bound.ip().is_unspecified() {
            route.source
        } else {
            *bound.ip()
        };
        if source.is_loopback() && route.interface != LOOPBACK {
            return Err(Error::InvalidArgument);
        }
        Ok((route, SocketAddrV4::new(source, bound.port())))
    }

    fn send_to(&self, to: SocketAddrV4, data: &mut dyn ByteSource) -> Result<usize> {
        let (route, from) = self.plan(to)?;
        let mtu = self.network.interfaces()[route.interface]
            .mtu()
            .min(LOOPBACK_MTU);
        let length = data.remaining();
        if length + IPV4_HEADER + UDP_HEADER > mtu {
            return Err(Error::MessageTooLong);
        }
        let ttl = self.options().time_to_live;
        if route.interface != LOOPBACK {
            let payload = gather(0, data)?;
            self.send_out(route.interface, from, to, ttl, &payload)?;
            return Ok(length);
        }
        let mut packet = gather(IPV4_HEADER + UDP_HEADER, data)?;
        write_udp_header(&mut packet, from.port(), to.port());
        // "Any" address means this machine.
        let ip = if to.ip().is_unspecified() {
            Ipv4Addr::LOCALHOST
        } else {
            *to.ip()
        };
        Header {
            from: *from.ip(),
            to: ip,
            protocol: UDP,
            ttl,
        }
        .write(&mut packet);
        self.network
            .with_stack(LOOPBACK, |stack| stack.link.loop_back(packet));
        Ok(length)
    }

    fn send_out(
        &self,
        interface: usize,
        from: SocketAddrV4,
        to: SocketAddrV4,
        ttl: u8,
        payload: &[u8],
    ) -> Result<()> {
        let mut senders = self.senders.lock();
        self.network.with_stack(interface, |stack| {
            let id = match senders.iter().find(|(index, _)| *index == interface) {
                Some(&(_, id)) => id,
                None => {
                    let id = stack.add_sender(Protocol::Udp(from.port()), self.receiver.clone())?;
                    senders.push((interface, id));
                    id
                }
            };
            stack.send_udp(id, *from.ip(), to, ttl, payload)
        })
    }
}

impl Socket for UdpSocket {
    fn kind(&self) -> Kind {
        Kind::Udp
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
        if self.lease.lock().is_some() {
            return Err(Error::InvalidArgument);
        }
        self.network.check_local(*address.ip())?;
        self.claim(address).map(|_| ())
    }

    fn connect(&self, address: Option<&Address>) -> Result<Progress> {
        let Some(address) = address else {
            self.receiver.update(|state| state.peer = None);
            if let Some(held) = &mut *self.lease.lock()
                && held.wildcard
            {
                held.lease.narrow(Ipv4Addr::UNSPECIFIED);
            }
            return Ok(Progress::Done);
        };
        let mut peer = address.clone().inet().ok_or(Error::WrongFamily)?;
        if peer.ip().is_unspecified() {
            peer.set_ip(Ipv4Addr::LOCALHOST);
        }
        let (_, from) = self.plan(peer)?;
        if let Some(held) = &mut *self.lease.lock() {
            held.lease.narrow(*from.ip());
        }
        self.receiver.update(|state| state.peer = Some(peer));
        Ok(Progress::Done)
    }

    fn local_address(&self) -> Address {
        let held = self.lease.lock();
        held.as_ref()
            .map_or(Address::ANY, |held| Address::Inet(held.lease.address))
    }

    fn peer_address(&self) -> Result<Address> {
        let peer = self.receiver.state.lock().peer;
        peer.map(Address::Inet).ok_or(Error::NotConnected)
    }

    fn send(&self, data: &mut dyn ByteSource, message: Message<'_>) -> Result<usize> {
        let (peer, mute) = {
            let state = self.receiver.state.lock();
            (state.peer, state.mute)
        };
        if mute {
            return Err(Error::BrokenPipe);
        }
        if let Some(error) = self.take_error() {
            return Err(error);
        }
        let to = match message.to {
            Some(address) => address.clone().inet().ok_or(Error::WrongFamily)?,
            None => peer.ok_or(Error::DestinationRequired)?,
        };
        self.send_to(to, data)
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

impl Drop for UdpSocket {
    fn drop(&mut self) {
        for &(interface, id) in &*self.senders.lock() {
            self.network
                .with_stack(interface, |stack| stack.remove_sender(id));
        }
    }
}

/// Takes one message out of a datagram socket's queue.
pub(crate) fn receive_datagram(
    receiver: &Receiver,
    data: &mut dyn ByteSink,
    peek: bool,
) -> Result<Received> {
    let Some(datagram) = receiver.take()? else {
        return Ok(Received::default());
    };
    let stored = data.put(&datagram.bytes);
    let received = stored.map(|length| Received {
        length,
        full_length: datagram.bytes.len(),
        from: Some(Address::Inet(datagram.from)),
        ..Received::default()
    });
    if peek {
        receiver.put_back(datagram);
    }
    Ok(received?)
}
