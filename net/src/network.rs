//! The network as a whole: interfaces, routes, ports, and the loop that serves them.

use crate::config::{AddressSource, Assignment};
use crate::datagram::Receiver;
use crate::dhcp::Dhcp;
use crate::interface::{Interface, NEVER};
use crate::link::Link;
use crate::ports::Ports;
use crate::raw::{RawSocket, RawTable};
use crate::stack::Stack;
use crate::tcp::{Listener, TcpSocket};
use crate::udp::UdpSocket;
use crate::{Error, Kind, NetDevice, Result, Socket};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use smp::WaitQueue;

/// The loopback interface is always the first.
pub(crate) const LOOPBACK: usize = 0;

/// All networking state of a machine.
pub struct Network {
    interfaces: Vec<Interface>,
    pub(crate) tcp_ports: Arc<Ports<Option<Arc<Listener>>>>,
    pub(crate) udp_ports: Arc<Ports<Arc<Receiver>>>,
    pub(crate) raw: RawTable,
    service: Service,
}

/// What the service loop sleeps on.
struct Service {
    queue: WaitQueue,
    /// A device interrupted, or someone wants the loop to look at once.
    called: AtomicBool,
    /// The deadline the loop sleeps until.
    armed_ns: AtomicU64,
}

/// Where packets to some destination leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub interface: usize,
    /// The address packets are sent from unless the socket is bound to another.
    pub source: Ipv4Addr,
    pub broadcast: bool,
}

impl Network {
    /// A network of `lo` and one interface `eth<n>` for each of `cards`. `seed` should differ with
    /// every boot: ports and sequence numbers come from it.
    pub fn new(cards: Vec<Box<dyn NetDevice>>, seed: u64) -> Arc<Self> {
        let mut interfaces = Vec::new();
        interfaces.push(Interface::new(
            LOOPBACK,
            String::from("lo"),
            Link::loopback(),
            seed,
        ));
        for (number, card) in cards.into_iter().enumerate() {
            let seed = seed.rotate_left(number as u32 + 1);
            let name = format!("eth{number}");
            interfaces.push(Interface::new(
                interfaces.len(),
                name,
                Link::card(card),
                seed,
            ));
        }
        let network = Self {
            interfaces,
            tcp_ports: Ports::new(seed),
            udp_ports: Ports::new(seed.rotate_right(16)),
            raw: RawTable::new(),
            service: Service {
                queue: WaitQueue::new(),
                called: AtomicBool::new(false),
                armed_ns: AtomicU64::new(NEVER),
            },
        };
        let loopback = Assignment::new(Ipv4Addr::LOCALHOST, 8, None);
        network.interfaces[LOOPBACK]
            .stack()
            .configure(&network, Some(loopback));
        Arc::new(network)
    }

    /// A new internet socket.
    pub fn socket(self: &Arc<Self>, kind: Kind) -> Result<Arc<dyn Socket>> {
        let network = self.clone();
        Ok(match kind {
            Kind::Tcp => Arc::new(TcpSocket::new(network)),
            Kind::Udp => Arc::new(UdpSocket::new(network)),
            Kind::Ping | Kind::Raw(_) => Arc::new(RawSocket::new(network, kind)?),
            _ => return Err(Error::NotSupported),
        })
    }

    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Gives every Ethernet interface its address as `source` says.
    pub fn configure(&self, source: AddressSource) {
        for interface in self
            .interfaces
            .iter()
            .filter(|interface| !interface.is_loopback())
        {
            let mut stack = interface.stack();
            match source {
                AddressSource::Fixed(assignment) => stack.configure(self, Some(assignment)),
                AddressSource::Unconfigured => stack.configure(self, None),
                AddressSource::Dhcp {
                    patience_ns,
                    fallback,
                } => {
                    Dhcp::start(&mut stack, patience_ns, fallback);
                }
            }
            stack.drive(self);
        }
    }

    /// The name servers that DHCP or the command line named.
    pub fn name_servers(&self) -> Vec<Ipv4Addr> {
        let assignments = self.interfaces.iter().filter_map(Interface::assignment);
        assignments
            .flat_map(|assignment| assignment.name_servers)
            .flatten()
            .collect()
    }

    /// How to reach `destination`. Packets to the machine itself never leave it.
    pub(crate) fn route(&self, destination: Ipv4Addr) -> Result<Route> {
        if destination.is_loopback() || destination.is_unspecified() {
            let source = Ipv4Addr::LOCALHOST;
            return Ok(Route {
                interface: LOOPBACK,
                source,
                broadcast: false,
            });
        }
        if self.owns(destination) {
            return Ok(Route {
                interface: LOOPBACK,
                source: destination,
                broadcast: false,
            });
        }
        let mut gateway = None;
        for interface in self
            .interfaces
            .iter()
            .filter(|interface| !interface.is_loopback())
        {
            let Some(assignment) = interface.assignment() else {
                continue;
            };
            let broadcast = interface.broadcasts(destination);
            let source = assignment.address;
            let route = Route {
                interface: interface.index,
                source,
                broadcast,
            };
            if broadcast || destination.is_multicast() || assignment.contains(destination) {
                return Ok(route);
            }
            gateway = gateway.or(assignment.gateway.map(|_| route));
        }
        gateway.ok_or(Error::NetworkUnreachable)
    }

    /// Whether `address` is one of the machine's own.
    pub(crate) fn owns(&self, address: Ipv4Addr) -> bool {
        self.interfaces
            .iter()
            .any(|interface| interface.owns(address))
    }

    /// Checks that a socket may be bound to `address`.
    pub(crate) fn check_local(&self, address: Ipv4Addr) -> Result<()> {
        let broadcast = || {
            self.interfaces
                .iter()
                .any(|interface| interface.broadcasts(address))
        };
        if address.is_unspecified() || self.owns(address) || broadcast() {
            return Ok(());
        }
        Err(Error::AddressNotAvailable)
    }

    /// Runs `work` on an interface's stack, then drives the stack.
    pub(crate) fn with_stack<R>(&self, index: usize, work: impl FnOnce(&mut Stack) -> R) -> R {
        let mut stack = self.interfaces[index].stack();
        let result = work(&mut stack);
        stack.drive(self);
        result
    }

    /// A device has something for us. Callable from an interrupt handler.
    pub fn interrupt(&self) {
        self.service.called.store(true, Ordering::Release);
        self.service.queue.wake_all();
    }

    /// Serves the interfaces for ever: the body of the network thread. It sleeps until a device
    /// interrupts or the earliest deadline of any stack, so an idle network costs nothing.
    pub fn serve(&self) -> ! {
        loop {
            self.service.called.store(false, Ordering::Release);
            for interface in &self.interfaces {
                interface.stack().drive(self);
            }
            self.sleep();
        }
    }

    fn sleep(&self) {
        let armed_ns = self.earliest_deadline_ns();
        self.service.armed_ns.store(armed_ns, Ordering::SeqCst);
        // Pairs with the fence in `note_deadline`: either we see the earlier deadline below, or its
        // writer sees what we are armed for and wakes us.
        fence(Ordering::SeqCst);
        let deadline = (armed_ns != NEVER).then_some(armed_ns);
        let awaited = || {
            let earlier = self.earliest_deadline_ns() < armed_ns;
            (earlier || self.service.called.load(Ordering::Acquire)).then_some(())
        };
        // Woken or timed out: the stacks are driven in either case.
        let _ = self.service.queue.wait_until(deadline, awaited);
    }

    fn earliest_deadline_ns(&self) -> u64 {
        self.interfaces
            .iter()
            .map(Interface::deadline_ns)
            .min()
            .unwrap_or(NEVER)
    }

    /// Notes when interface `index` must next be driven; calls the service loop when that is
    /// earlier than it would wake by itself.
    pub(crate) fn note_deadline(&self, index: usize, deadline_ns: u64) {
        self.interfaces[index].set_deadline_ns(deadline_ns);
        fence(Ordering::SeqCst);
        if deadline_ns < self.service.armed_ns.load(Ordering::SeqCst) {
            self.service.queue.wake_all();
        }
    }
}
