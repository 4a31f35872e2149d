//! Two machines on one wire, blocking helpers over the non-blocking sockets, and a wire that can
//! lose and garble frames. Random decisions come from a printed seed.
#![allow(dead_code, reason = "each test file uses its own part")]

use net::{
    Address, AddressSource, Assignment, ByteSink, Error, Kind, Message, NetDevice, Network, Ready,
    Received, Result, Socket,
};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

pub const LEFT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// One direction of the wire, and whom to tell about a frame.
#[derive(Default)]
pub struct Lane {
    frames: Mutex<VecDeque<Vec<u8>>>,
    reader: OnceLock<Arc<Network>>,
}

impl Lane {
    pub fn push(&self, frame: Vec<u8>) {
        self.frames.lock().unwrap().push_back(frame);
        if let Some(network) = self.reader.get() {
            network.interrupt();
        }
    }

    pub fn pop(&self) -> Option<Vec<u8>> {
        self.frames.lock().unwrap().pop_front()
    }
}

/// Percentages of frames that are lost and garbled on their way.
#[derive(Default)]
pub struct Trouble {
    pub loss: AtomicU32,
    pub garble: AtomicU32,
}

pub struct Wire {
    pub mac: [u8; 6],
    pub input: Arc<Lane>,
    pub output: Arc<Lane>,
    pub trouble: Arc<Trouble>,
    pub random: Random,
}

impl NetDevice for Wire {
    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn mtu(&self) -> usize {
        1500
    }

    fn receive(&mut self, frame: &mut [u8]) -> Option<usize> {
        let next = self.input.pop()?;
        let length = next.len().min(frame.len());
        frame[..length].copy_from_slice(&next[..length]);
        Some(length)
    }

    fn can_transmit(&mut self) -> bool {
        true
    }

    fn transmit(&mut self, frame: &[u8]) {
        let mut frame = frame.to_vec();
        if self.random.below(100) < self.trouble.loss.load(Ordering::Relaxed) {
            return;
        }
        // ARP has no checksum of its own: on a real wire Ethernet's protects it.
        let is_arp = frame.get(12..14) == Some(&[0x08, 0x06][..]);
        if !is_arp && self.random.below(100) < self.trouble.garble.load(Ordering::Relaxed) {
            let at = self.random.below(frame.len() as u32) as usize;
            frame[at] ^= 1 << self.random.below(8);
        }
        self.output.push(frame);
    }
}

/// xorshift64*.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, end: u32) -> u32 {
        (((self.next() >> 32) * u64::from(end)) >> 32) as u32
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// A seed to replay a run with: `NET_TEST_SEED`, or one from the clock; printed either way.
pub fn seed() -> u64 {
    let clock = || {
        std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap()
            .as_nanos() as u64
    };
    let seed = std::env::var("NET_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(clock) | 1;
    println!("NET_TEST_SEED={seed}");
    seed
}

pub struct Pair {
    pub left: Arc<Network>,
    pub right: Arc<Network>,
    pub trouble: Arc<Trouble>,
}

/// A machine with one card.
pub fn machine(wire: Wire, seed: u64) -> Arc<Network> {
    let input = wire.input.clone();
    let network = Network::new(vec![Box::new(wire)], seed);
    assert!(
        input.reader.set(network.clone()).is_ok(),
        "a lane has one reader"
    );
    let served = network.clone();
    std::thread::spawn(move || served.serve());
    network
}

/// Two machines with fixed addresses on a wire.
pub fn pair() -> Pair {
    let seed = seed();
    let (there, back) = (Arc::new(Lane::default()), Arc::new(Lane::default()));
    let trouble = Arc::new(Trouble::default());
    let wire = |mac: u8, input: &Arc<Lane>, output: &Arc<Lane>| Wire {
        mac: [2, 0, 0, 0, 0, mac],
        input: input.clone(),
        output: output.clone(),
        trouble: trouble.clone(),
        random: Random(seed.rotate_left(u32::from(mac)) | 1),
    };
    let left = machine(wire(1, &back, &there), seed);
    let right = machine(wire(2, &there, &back), seed.rotate_left(9));
    left.configure(AddressSource::Fixed(Assignment::new(LEFT, 24, None)));
    right.configure(AddressSource::Fixed(Assignment::new(RIGHT, 24, None)));
    Pair {
        left,
        right,
        trouble,
    }
}

/// A machine with loopback only.
pub fn lonely() -> Arc<Network> {
    let network = Network::new(Vec::new(), seed());
    let served = network.clone();
    std::thread::spawn(move || served.serve());
    network
}

pub fn at(ip: Ipv4Addr, port: u16) -> Address {
    Address::Inet(SocketAddrV4::new(ip, port))
}

pub fn port_of(socket: &dyn Socket) -> u16 {
    socket.local_address().inet().unwrap().port()
}

/// Repeats `attempt` until it no longer would block; fails the test after ten seconds.
pub fn blocking<R>(
    socket: &dyn Socket,
    ready: Ready,
    mut attempt: impl FnMut() -> Result<R>,
) -> Result<R> {
    let deadline = smp::now_ns() + Duration::from_secs(30).as_nanos() as u64;
    let wanted = ready | Ready::ERROR | Ready::HANG_UP;
    loop {
        match attempt() {
            Err(Error::WouldBlock) => {}
            other => return other,
        }
        let readiness = socket.readiness();
        let seen = || readiness.ready().intersects(wanted).then_some(());
        readiness
            .waiters
            .wait_until(Some(deadline), seen)
            .expect("no progress for 30 s");
    }
}

pub fn connect(socket: &dyn Socket, to: &Address) -> Result<()> {
    match blocking(socket, Ready::WRITE, || socket.connect(Some(to)))? {
        net::Progress::Done => return Ok(()),
        net::Progress::InProgress => {}
    }
    let readiness = socket.readiness();
    let deadline = smp::now_ns() + Duration::from_secs(30).as_nanos() as u64;
    let seen = || {
        readiness
            .ready()
            .intersects(Ready::WRITE | Ready::ERROR | Ready::HANG_UP)
            .then_some(())
    };
    readiness
        .waiters
        .wait_until(Some(deadline), seen)
        .expect("no answer for 30 s");
    socket.take_error().map_or(Ok(()), Err)
}

pub fn accept(listener: &dyn Socket) -> Arc<dyn Socket> {
    blocking(listener, Ready::READ, || listener.accept())
        .unwrap()
        .socket
}

pub fn send_all(socket: &dyn Socket, data: &[u8]) -> Result<()> {
    let mut rest = data;
    while !rest.is_empty() {
        blocking(socket, Ready::WRITE, || {
            socket.send(&mut rest, Message::default())
        })?;
    }
    Ok(())
}

pub fn send_to(socket: &dyn Socket, to: &Address, mut data: &[u8]) -> Result<usize> {
    let message = || Message {
        to: Some(to),
        ..Message::default()
    };
    blocking(socket, Ready::WRITE, || socket.send(&mut data, message()))
}

pub fn receive(socket: &dyn Socket, buffer: &mut [u8]) -> Result<Received> {
    blocking(socket, Ready::READ, || {
        let mut sink: &mut [u8] = buffer;
        socket.receive(&mut sink as &mut dyn ByteSink, false)
    })
}

pub fn read_to_end(socket: &dyn Socket) -> Result<Vec<u8>> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; 10_000]);
    loop {
        let received = receive(socket, &mut buffer)?;
        if received.length == 0 {
            return Ok(all);
        }
        all.extend_from_slice(&buffer[..received.length]);
    }
}

pub fn listen(network: &Arc<Network>, ip: Ipv4Addr, backlog: usize) -> (Arc<dyn Socket>, u16) {
    let listener = network.socket(Kind::Tcp).unwrap();
    listener.bind(&at(ip, 0)).unwrap();
    listener.listen(backlog).unwrap();
    let port = port_of(&*listener);
    (listener, port)
}

/// Waits until `done`; fails the test after ten seconds.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("never: {what}");
}
