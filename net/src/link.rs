//! The smoltcp side of a device: frames come in one at a time through a staging buffer, so that
//! they can be looked at before the stack sees them, and go out through a scratch buffer.

use crate::NetDevice;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use smoltcp::phy::{self, ChecksumCapabilities, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

/// What the loopback interface carries in one packet.
pub(crate) const LOOPBACK_MTU: usize = 65535;
const ETHERNET_HEADER: usize = 14;
/// Packets on their way through loopback; more wait in their sockets.
const LOOPBACK_QUEUE: usize = 512;
/// Emptied loopback buffers kept for reuse.
const LOOPBACK_SPARES: usize = 4;

/// Frames and bytes moved, as in /proc/net/dev.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    pub received_packets: u64,
    pub received_bytes: u64,
    pub sent_packets: u64,
    pub sent_bytes: u64,
}

/// A device as its stack uses it.
pub(crate) struct Link {
    frame: Vec<u8>,
    length: usize,
    /// The staged frame has not been given to the stack yet.
    staged: bool,
    output: Output,
    pub traffic: Traffic,
}

struct Output {
    target: Target,
    /// Frames are built here on their way to a card.
    scratch: Vec<u8>,
    sent_packets: u64,
    sent_bytes: u64,
}

enum Target {
    Loopback {
        queue: VecDeque<Packet>,
        spares: Vec<Vec<u8>>,
    },
    Card(Box<dyn NetDevice>),
}

/// A packet on its way through loopback. A buffer that is used again keeps its length and what it
/// held: the stack writes every byte of a packet, and clearing them first costs as much again.
struct Packet {
    buffer: Vec<u8>,
    length: usize,
}

impl Link {
    pub fn loopback() -> Self {
        let target = Target::Loopback {
            queue: VecDeque::new(),
            spares: Vec::new(),
        };
        Self::new(Vec::new(), target, 0)
    }

    pub fn card(card: Box<dyn NetDevice>) -> Self {
        let frame = vec![0; card.mtu() + ETHERNET_HEADER];
        let scratch = frame.len();
        Self::new(frame, Target::Card(card), scratch)
    }

    fn new(frame: Vec<u8>, target: Target, scratch: usize) -> Self {
        let output = Output {
            target,
            scratch: vec![0; scratch],
            sent_packets: 0,
            sent_bytes: 0,
        };
        Self {
            frame,
            length: 0,
            staged: false,
            output,
            traffic: Traffic::default(),
        }
    }

    pub fn mac(&self) -> Option<[u8; 6]> {
        match &self.output.target {
            Target::Loopback { .. } => None,
            Target::Card(card) => Some(card.mac()),
        }
    }

    pub fn is_loopback(&self) -> bool {
        self.mac().is_none()
    }

    pub fn mtu(&self) -> usize {
        match &self.output.target {
            Target::Loopback { .. } => LOOPBACK_MTU,
            Target::Card(card) => card.mtu(),
        }
    }

    /// Stages the next received frame; false when there is none.
    pub fn pull(&mut self) -> bool {
        let pulled = match &mut self.output.target {
            Target::Card(card) => card.receive(&mut self.frame),
            Target::Loopback { queue, spares } => queue.pop_front().map(|packet| {
                let used = core::mem::replace(&mut self.frame, packet.buffer);
                if spares.len() < LOOPBACK_SPARES && !used.is_empty() {
                    spares.push(used);
                }
                packet.length
            }),
        };
        let Some(length) = pulled else { return false };
        self.length = length.min(self.frame.len());
        self.staged = true;
        self.traffic.received_packets += 1;
        self.traffic.received_bytes += self.length as u64;
        true
    }

    /// The staged frame.
    pub fn frame(&self) -> &[u8] {
        &self.frame[..self.length]
    }

    /// Drops the staged frame: it was dealt with elsewhere or is not fit to be passed on.
    pub fn consume(&mut self) {
        self.staged = false;
    }

    /// Whether loopback packets wait to be received.
    pub fn has_looped(&self) -> bool {
        matches!(&self.output.target, Target::Loopback { queue, .. } if !queue.is_empty())
    }

    pub fn can_transmit(&mut self) -> bool {
        self.output.can_transmit()
    }

    /// Puts an IP packet on the loopback queue; dropped when that is full.
    pub fn loop_back(&mut self, packet: Vec<u8>) {
        if self.can_transmit()
            && let Target::Loopback { queue, .. } = &mut self.output.target
        {
            self.output.sent_packets += 1;
            self.output.sent_bytes += packet.len() as u64;
            queue.push_back(Packet {
                length: packet.len(),
                buffer: packet,
            });
        }
    }

    /// Counts bytes that went from one end of a connection to the other without a packet.
    pub fn count_looped(&mut self, bytes: usize) {
        self.output.sent_packets += 1;
        self.output.sent_bytes += bytes as u64;
        self.traffic.received_packets += 1;
        self.traffic.received_bytes += bytes as u64;
    }

    pub fn traffic(&self) -> Traffic {
        Traffic {
            sent_packets: self.output.sent_packets,
            sent_bytes: self.output.sent_bytes,
            ..self.traffic
        }
    }
}

impl Output {
    fn can_transmit(&mut self) -> bool {
        match &mut self.target {
            Target::Loopback { queue, .. } => queue.len() < LOOPBACK_QUEUE,
            Target::Card(card) => card.can_transmit(),
        }
    }

    fn transmit<R>(&mut self, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        self.sent_packets += 1;
        self.sent_bytes += length as u64;
        match &mut self.target {
            Target::Card(card) => {
                if self.scratch.len() < length {
                    self.scratch.resize(length, 0);
                }
                let frame = &mut self.scratch[..length];
                let result = fill(frame);
                card.transmit(frame);
                result
            }
            Target::Loopback { queue, spares } => {
                let mut buffer = spares.pop().unwrap_or_default();
                if buffer.len() < length {
                    buffer.resize(length, 0);
                }
                let result = fill(&mut buffer[..length]);
                queue.push_back(Packet { buffer, length });
                result
            }
        }
    }
}

pub(crate) struct Arrived<'a>(&'a [u8]);
pub(crate) struct Departing<'a>(&'a mut Output);

impl phy::RxToken for Arrived<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

impl phy::TxToken for Departing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        self.0.transmit(length, f)
    }
}

impl phy::Device for Link {
    type RxToken<'a> = Arrived<'a>;
    type TxToken<'a> = Departing<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Arrived<'_>, Departing<'_>)> {
        let staged = core::mem::take(&mut self.staged);
        staged.then_some((
            Arrived(&self.frame[..self.length]),
            Departing(&mut self.output),
        ))
    }

    fn transmit(&mut self, _: Instant) -> Option<Departing<'_>> {
        self.output
            .can_transmit()
            .then_some(Departing(&mut self.output))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        if self.is_loopback() {
            capabilities.medium = Medium::Ip;
            capabilities.max_transmission_unit = LOOPBACK_MTU;
            // Memory does not garble packets.
            capabilities.checksum = ChecksumCapabilities::ignored();
        } else {
            capabilities.medium = Medium::Ethernet;
            capabilities.max_transmission_unit = self.mtu() + ETHERNET_HEADER;
        }
        capabilities
    }
}
