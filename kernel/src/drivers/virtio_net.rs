//! The virtio network card: receive and transmit queues of fixed DMA buffers, one frame each.

use super::virtio::{Buffers, Dma, Result, Slot, VERSION_1, VirtQueue};
use alloc::boxed::Box;
use alloc::vec::Vec;
use bitflags::bitflags;
use core::sync::atomic::{Ordering, fence};
use net::NetDevice;
use virtio_drivers::transport::Transport;
use virtio_drivers::transport::mmio::MmioTransport;

const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
/// Frames in flight each way.
const DEPTH: usize = 64;
/// Holds the device's header and the longest frame.
const BUFFER_SIZE: usize = 2048;
const MTU: usize = 1500;
/// `struct virtio_net_hdr`, whose last field only virtio 1.0 devices have without mergeable buffers.
const HEADER: usize = 12;
const LEGACY_HEADER: usize = 10;

bitflags! {
    /// What we negotiate: nothing that needs more than plain frames.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Features: u64 {
        const MAC = 1 << 5;
        const VERSION_1 = VERSION_1;
    }
}

pub struct Card {
    transport: MmioTransport<'static>,
    mac: [u8; 6],
    header: usize,
    receive: Box<Lane>,
    transmit: Box<Lane>,
    /// Transmit buffers that are ours.
    free: Vec<usize>,
}

/// A queue, its buffers, and which buffer each of its descriptors stands for.
struct Lane {
    index: u16,
    queue: VirtQueue<Dma, DEPTH>,
    buffers: Buffers,
    buffer_of: [usize; DEPTH],
}

impl Card {
    /// Initializes the card and lets its interrupts call the network.
    pub fn start(name: &str, mut slot: Slot) -> Result<Self> {
        slot.on_interrupt(name, crate::socket::interrupt);
        let features = slot.transport.begin_init(Features::all());
        let mac = match features.contains(Features::MAC) {
            true => slot.transport.read_config_space::<[u8; 6]>(0)?,
            false => local_mac(),
        };
        let header = if features.contains(Features::VERSION_1) {
            HEADER
        } else {
            LEGACY_HEADER
        };
        let receive = Lane::new(RECEIVE, &mut slot.transport)?;
        let mut transmit = Lane::new(TRANSMIT, &mut slot.transport)?;
        // Sent frames are collected when their buffers are needed.
        transmit.queue.set_dev_notify(false);
        slot.transport.finish_init();
        let free = (0..DEPTH).collect();
        let mut card = Self {
            transport: slot.transport,
            mac,
            header,
            receive,
            transmit,
            free,
        };
        for buffer in 0..DEPTH {
            card.receive.give_to_receive(buffer);
        }
        card.receive.notify(&mut card.transport);
        log::info!(
            "{name}: virtio, {}",
            mac.map(|byte| alloc::format!("{byte:02x}")).join(":")
        );
        Ok(card)
    }

    /// Takes back the buffers of frames that were sent.
    fn collect_sent(&mut self) {
        while let Some((buffer, _)) = self.transmit.take_sent() {
            self.free.push(buffer);
        }
    }
}

/// A random address that is locally administered and not a group's.
fn local_mac() -> [u8; 6] {
    let mut mac = [0; 6];
    crate::random::fill(&mut mac);
    mac[0] = mac[0] & 0xfc | 0x02;
    mac
}

impl Lane {
    /// Queues are large: on the heap at once, and in a stack frame that is gone afterwards.
    #[inline(never)]
    fn new(index: u16, transport: &mut MmioTransport<'static>) -> Result<Box<Self>> {
        let queue = VirtQueue::new(transport, index, false, false)?;
        let buffers = Buffers::new(DEPTH, BUFFER_SIZE)?;
        Ok(Box::new(Self {
            index,
            queue,
            buffers,
            buffer_of: [0; DEPTH],
        }))
    }

    /// Hands a buffer to the device, to be filled. There are as many descriptors as buffers.
    fn give_to_receive(&mut self, buffer: usize) {
        let memory = self.buffers.buffer(buffer);
        // SAFETY: the buffer is in our block and not looked at until `pop_used` returns it.
        let token = unsafe { self.queue.add(&[], &mut [memory]) };
        match token {
            Ok(token) => self.buffer_of[usize::from(token)] = buffer,
            Err(error) => log::error!("virtio-net lost a receive buffer: {error}"),
        }
    }

    /// Hands the first `length` bytes of a buffer to the device, to be sent; false if it is full.
    fn give_to_send(&mut self, buffer: usize, length: usize) -> bool {
        let memory = &self.buffers.buffer(buffer)[..length];
        // SAFETY: the buffer is in our block and not touched until `pop_used` returns it.
        let token = unsafe { self.queue.add(&[memory], &mut []) };
        token
            .map(|token| self.buffer_of[usize::from(token)] = buffer)
            .is_ok()
    }

    /// The next used descriptor. The fence orders the look after everything done before it: the
    /// device either sees that we want to be interrupted, or we see what it has used.
    fn next_used(&self) -> Option<u16> {
        fence(Ordering::SeqCst);
        self.queue.peek_used()
    }

    /// A filled buffer and how many bytes the device wrote.
    fn take_received(&mut self) -> Option<(usize, usize)> {
        let token = self.next_used()?;
        let buffer = *self.buffer_of.get(usize::from(token))?;
        let memory = self.buffers.buffer(buffer);
        // SAFETY: the buffer that was given with this token.
        let length = unsafe { self.queue.pop_used(token, &[], &mut [memory]) }.ok()?;
        Some((buffer, length as usize))
    }

    /// A buffer that was sent.
    fn take_sent(&mut self) -> Option<(usize, usize)> {
        let token = self.next_used()?;
        let buffer = *self.buffer_of.get(usize::from(token))?;
        let memory = &*self.buffers.buffer(buffer);
        // SAFETY: the buffer that was given with this token.
        let length = unsafe { self.queue.pop_used(token, &[memory], &mut []) }.ok()?;
        Some((buffer, length as usize))
    }

    /// Tells the device about new buffers, if it wants to be told.
    fn notify(&mut self, transport: &mut MmioTransport<'static>) {
        // The device either sees the new index, or we see that it wants a notification.
        fence(Ordering::SeqCst);
        if self.queue.should_notify() {
            transport.notify(self.index);
        }
    }
}

impl NetDevice for Card {
    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn mtu(&self) -> usize {
        MTU
    }

    fn receive(&mut self, frame: &mut [u8]) -> Option<usize> {
        let (buffer, written) = self.receive.take_received()?;
        let memory = &self.receive.buffers.buffer(buffer);
        let received = memory.get(self.header..written).unwrap_or(&[]);
        let length = received.len().min(frame.len());
        frame[..length].copy_from_slice(&received[..length]);
        self.receive.give_to_receive(buffer);
        self.receive.notify(&mut self.transport);
        Some(length)
    }

    fn can_transmit(&mut self) -> bool {
        self.collect_sent();
        if self.free.is_empty() {
            // Now a sent frame is worth an interrupt; one may have been sent just before.
            self.transmit.queue.set_dev_notify(true);
            self.collect_sent();
        }
        !self.free.is_empty()
    }

    fn transmit(&mut self, frame: &[u8]) {
        if !self.can_transmit() || self.header + frame.len() > BUFFER_SIZE {
            return;
        }
        self.transmit.queue.set_dev_notify(false);
        let Some(buffer) = self.free.pop() else {
            return;
        };
        let memory = self.transmit.buffers.buffer(buffer);
        let length = self.header + frame.len();
        memory[..self.header].fill(0);
        memory[self.header..length].copy_from_slice(frame);
        if self.transmit.give_to_send(buffer, length) {
            self.transmit.notify(&mut self.transport);
        } else {
            self.free.push(buffer);
        }
    }
}
