//! The two halves of datagram sockets (UDP, ping, raw): the queue received messages wait in, and
//! the smoltcp socket that resolves neighbours for outgoing ones.

use crate::stack::Stack;
use crate::tcp::zeroed;
use crate::{Error, Options, Readiness, Ready, Result, Shutdown};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::{raw, udp};
use smoltcp::storage::PacketMetadata;
use smoltcp::wire::{IpEndpoint, IpProtocol, IpVersion};
use smp::SpinLock;

/// What a queued message costs besides its bytes.
const MESSAGE_OVERHEAD: usize = 256;
/// Outgoing messages that may wait for a neighbour's address or the device.
const SEND_SLOTS: usize = 16;
const SEND_BYTES: usize = 16 * 1024;
/// How long a message waits for a neighbour that does not answer.
const NEIGHBOUR_PATIENCE_NS: u64 = 3_000_000_000;

/// A received message.
pub(crate) struct Datagram {
    pub from: SocketAddrV4,
    pub bytes: Vec<u8>,
}

/// The receiving half of a datagram socket, and the state its senders look at.
pub(crate) struct Receiver {
    pub readiness: Readiness,
    pub state: SpinLock<State>,
}

#[derive(Default)]
pub(crate) struct State {
    pub options: Options,
    pub peer: Option<SocketAddrV4>,
    pub error: Option<Error>,
    pub deaf: bool,
    pub mute: bool,
    /// The sending half has no room.
    pub congested: bool,
    queue: VecDeque<Datagram>,
    queued_bytes: usize,
}

impl State {
    fn ready(&self) -> Ready {
        let mut ready = Ready::empty();
        ready.set(
            Ready::READ,
            !self.queue.is_empty() || self.deaf || self.error.is_some(),
        );
        ready.set(Ready::WRITE, !self.congested);
        ready.set(Ready::READ_HANG_UP, self.deaf);
        ready.set(Ready::HANG_UP, self.deaf && self.mute);
        ready.set(Ready::ERROR, self.error.is_some());
        ready
    }

    /// Whether an ICMP error about a datagram to `destination` is told: to who asked for errors
    /// (`IP_RECVERR`), and a hard one to who is connected.
    pub fn hears_of(&self, destination: SocketAddrV4, hard: bool) -> bool {
        let told = self.options.receive_errors || (hard && self.peer.is_some());
        told && self.peer.is_none_or(|peer| peer == destination)
    }

    pub fn queued_bytes(&self) -> usize {
        self.queue.iter().map(|datagram| datagram.bytes.len()).sum()
    }

    /// The length of the next message (`FIONREAD`).
    pub fn next_length(&self) -> usize {
        self.queue
            .front()
            .map_or(0, |datagram| datagram.bytes.len())
    }
}

impl Receiver {
    pub fn new() -> Arc<Self> {
        let readiness = Readiness::new(Ready::WRITE);
        Arc::new(Self {
            readiness,
            state: SpinLock::new(State::default()),
        })
    }

    /// Changes the state and publishes what it is ready for.
    pub fn update<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock();
        let result = change(&mut state);
        self.readiness.publish(state.ready());
        result
    }

    pub fn options(&self) -> Options {
        self.state.lock().options
    }

    pub fn update_options(&self, change: &mut dyn FnMut(&mut Options)) {
        let mut options = self.options();
        change(&mut options);
        self.state.lock().options = options.clamped();
    }

    pub fn take_error(&self) -> Option<Error> {
        self.update(|state| state.error.take())
    }

    /// Queues a message; dropped when there is no room, memory or interest.
    pub fn deliver(&self, from: SocketAddrV4, head: &[u8], body: &[u8]) {
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(head.len() + body.len()).is_err() {
            return;
        }
        bytes.extend_from_slice(head);
        bytes.extend_from_slice(body);
        let mut state = self.state.lock();
        let cost = bytes.len() + MESSAGE_OVERHEAD;
        let full =
            state.queued_bytes > 0 && state.queued_bytes + cost > state.options.receive_buffer;
        if state.deaf || full {
            return;
        }
        state.queued_bytes += cost;
        state.queue.push_back(Datagram { from, bytes });
        self.readiness.publish_event(state.ready(), Ready::READ);
    }

    /// Takes the next message, or says why there is none: `Ok(None)` is the end.
    pub fn take(&self) -> Result<Option<Datagram>> {
        self.update(|state| {
            if let Some(error) = state.error.take() {
                return Err(error);
            }
            let Some(datagram) = state.queue.pop_front() else {
                return if state.deaf {
                    Ok(None)
                } else {
                    Err(Error::WouldBlock)
                };
            };
            state.queued_bytes -= datagram.bytes.len() + MESSAGE_OVERHEAD;
            Ok(Some(datagram))
        })
    }

    /// Puts a message back that was only peeked at.
    pub fn put_back(&self, datagram: Datagram) {
        self.update(|state| {
            state.queued_bytes += datagram.bytes.len() + MESSAGE_OVERHEAD;
            state.queue.push_front(datagram);
        });
    }

    pub fn fail(&self, error: Error) {
        self.update(|state| state.error = Some(error));
    }

    pub fn shutdown(&self, how: Shutdown) {
        self.update(|state| {
            state.deaf |= how.reads();
            state.mute |= how.writes();
        });
    }
}

/// The sending half of a datagram socket on an Ethernet interface.
pub(crate) struct Sender {
    handle: SocketHandle,
    protocol: Protocol,
    receiver: Arc<Receiver>,
    /// Since when the oldest message waits.
    waiting_since_ns: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// UDP from this port.
    Udp(u16),
    /// Whole IPv4 packets of this protocol.
    Ip(u8),
}

impl Sender {
    pub fn give_up_at_ns(&self) -> Option<u64> {
        self.waiting_since_ns
            .map(|since_ns| since_ns + NEIGHBOUR_PATIENCE_NS)
    }
}

fn buffers<H>() -> Result<(Vec<PacketMetadata<H>>, Vec<u8>)> {
    let slots = (0..SEND_SLOTS).map(|_| PacketMetadata::EMPTY).collect();
    Ok((slots, zeroed(SEND_BYTES)?))
}

impl Stack {
    /// Makes the sending half of a datagram socket; returns its number.
    pub fn add_sender(&mut self, protocol: Protocol, receiver: Arc<Receiver>) -> Result<u64> {
        let handle = match protocol {
            Protocol::Udp(port) => {
                let (slots, bytes) = buffers()?;
                // Received datagrams never come this way: see the ingress.
                let nothing = udp::PacketBuffer::new(vec![], vec![]);
                let mut socket = udp::Socket::new(nothing, udp::PacketBuffer::new(slots, bytes));
                socket.bind(port).map_err(|_| Error::AddressNotAvailable)?;
                self.sockets.add(socket)
            }
            Protocol::Ip(number) => {
                let (slots, bytes) = buffers()?;
                let nothing = raw::PacketBuffer::new(vec![], vec![]);
                let send = raw::PacketBuffer::new(slots, bytes);
                let protocol = Some(IpProtocol::from(number));
                self.sockets.add(raw::Socket::new(
                    Some(IpVersion::Ipv4),
                    protocol,
                    nothing,
                    send,
                ))
            }
        };
        let id = self.fresh_id();
        self.senders.insert(
            id,
            Sender {
                handle,
                protocol,
                receiver,
                waiting_since_ns: None,
            },
        );
        Ok(id)
    }

    pub fn remove_sender(&mut self, id: u64) {
        if let Some(sender) = self.senders.remove(&id) {
            self.remove_socket(sender.handle);
        }
    }

    /// Queues `payload` as a UDP datagram.
    pub fn send_udp(
        &mut self,
        id: u64,
        from: Ipv4Addr,
        to: SocketAddrV4,
        ttl: u8,
        payload: &[u8],
    ) -> Result<()> {
        let sender = self.senders.get(&id).ok_or(Error::NotConnected)?;
        let socket = self.sockets.get_mut::<udp::Socket>(sender.handle);
        socket.set_hop_limit(Some(ttl));
        let mut meta = udp::UdpMetadata::from(IpEndpoint::from((*to.ip(), to.port())));
        meta.local_address = Some(from.into());
        match socket.send_slice(payload, meta) {
            Ok(()) => Ok(()),
            Err(udp::SendError::BufferFull) => Err(self.congest(id)),
            Err(udp::SendError::Unaddressable) => Err(Error::InvalidArgument),
        }
    }

    /// Queues a whole IPv4 packet.
    pub fn send_packet(&mut self, id: u64, packet: &[u8]) -> Result<()> {
        let sender = self.senders.get(&id).ok_or(Error::NotConnected)?;
        let socket = self.sockets.get_mut::<raw::Socket>(sender.handle);
        socket.send_slice(packet).map_err(|_| self.congest(id))
    }

    fn congest(&mut self, id: u64) -> Error {
        if let Some(sender) = self.senders.get(&id) {
            sender.receiver.update(|state| state.congested = true);
        }
        Error::WouldBlock
    }

    /// Publishes room in the senders' queues; drops what waits for a neighbour that is not there.
    pub fn look_at_senders(&mut self, now_ns: u64) {
        for sender in self.senders.values_mut() {
            let (empty, room) = match sender.protocol {
                Protocol::Udp(_) => {
                    let socket = self.sockets.get::<udp::Socket>(sender.handle);
                    (socket.send_queue() == 0, socket.can_send())
                }
                Protocol::Ip(_) => {
                    let socket = self.sockets.get::<raw::Socket>(sender.handle);
                    (socket.send_queue() == 0, socket.can_send())
                }
            };
            if room && sender.receiver.state.lock().congested {
                sender.receiver.update(|state| state.congested = false);
            }
            match (empty, sender.waiting_since_ns) {
                (true, _) => sender.waiting_since_ns = None,
                (false, None) => sender.waiting_since_ns = Some(now_ns),
                (false, Some(_)) => {}
            }
        }
        let late = |sender: &Sender| sender.give_up_at_ns().is_some_and(|at_ns| at_ns <= now_ns);
        let late: Vec<u64> = self
            .senders
            .iter()
            .filter(|(_, sender)| late(sender))
            .map(|(&id, _)| id)
            .collect();
        for id in late {
            self.give_up(id);
        }
    }

    /// Replaces a sender whose messages cannot be delivered by an empty one of the same number.
    fn give_up(&mut self, id: u64) {
        let Some(sender) = self.senders.remove(&id) else {
            return;
        };
        self.remove_socket(sender.handle);
        sender.receiver.update(|state| {
            state.congested = false;
            state.error = Some(Error::HostUnreachable);
        });
        if let Ok(fresh) = self.add_sender(sender.protocol, sender.receiver)
            && let Some(sender) = self.senders.remove(&fresh)
        {
            self.senders.insert(id, sender);
        }
    }
}
