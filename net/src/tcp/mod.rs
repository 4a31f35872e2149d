//! TCP: connections as the stack holds them, and what is noticed each time it is driven.
//!
//! A [`Connection`] lives in its interface's stack, from the first SYN until it may be forgotten,
//! which can be after its socket is gone. Socket and connection share a [`Channel`].

mod listener;
mod socket;

pub(crate) use listener::Listener;
pub use socket::TcpSocket;

use crate::ports::Lease;
use crate::stack::Stack;
use crate::{Error, Options, Readiness, Ready, Result};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddrV4;
use core::sync::atomic::{AtomicBool, Ordering};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::time::Duration;
use smoltcp::wire::{IpAddress, IpEndpoint};
use smp::SpinLock;

/// Unanswered SYNs: Linux's six retries.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(127);
/// Half-open connections of a listener.
const EMBRYO_TIMEOUT: Duration = Duration::from_secs(60);
/// Unacknowledged data: Linux's fifteen retries.
const DATA_TIMEOUT: Duration = Duration::from_secs(924);
/// The peer's FIN after our socket is closed (tcp_fin_timeout).
const FIN_TIMEOUT: Duration = Duration::from_secs(60);
/// TIME-WAIT of closed sockets on loopback, where no packet is late: long enough for the last ACK.
const LOOPBACK_TIME_WAIT_NS: u64 = 20_000_000;
/// How long a closed connection may wait to get its reset out.
const RESET_PATIENCE_NS: u64 = 2_000_000_000;
/// From this many connections on, new ones get small buffers.
const MANY_CONNECTIONS: usize = 32;
const SMALL_BUFFER: usize = 16 * 1024;

/// The local TCP ports; a lookup finds the listener, if there is one.
pub(crate) type TcpLease = Lease<Option<Arc<Listener>>>;

/// What a socket and its connection share.
pub(crate) struct Channel {
    pub readiness: Readiness,
    pub error: SpinLock<Option<Error>>,
    /// The socket no longer reads (`SHUT_RD`).
    pub deaf: AtomicBool,
    /// Received bytes saved from a connection that is about to be cleared.
    late: SpinLock<VecDeque<u8>>,
}

impl Channel {
    pub fn new(ready: Ready) -> Arc<Self> {
        Arc::new(Self {
            readiness: Readiness::new(ready),
            error: SpinLock::new(None),
            deaf: AtomicBool::new(false),
            late: SpinLock::new(VecDeque::new()),
        })
    }
}

/// Names a connection: its interface, and its number there, which is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    pub interface: usize,
    pub id: u64,
    pub local: SocketAddrV4,
    pub remote: SocketAddrV4,
}

/// Who answers for a connection.
pub(crate) enum Owner {
    /// Not accepted yet. Counted as an embryo until established.
    Listener {
        listener: Arc<Listener>,
        established: bool,
    },
    Socket,
    /// Its socket is closed; it goes when TCP is done with it.
    Nobody {
        since_ns: u64,
    },
}

/// A TCP connection in its stack.
pub(crate) struct Connection {
    pub handle: SocketHandle,
    pub channel: Arc<Channel>,
    pub owner: Owner,
    /// As of the last look.
    state: State,
    received: usize,
    time_wait_since_ns: Option<u64>,
    forget_at_ns: Option<u64>,
    /// Holds the local port of connections made from this side until they are forgotten.
    _lease: Option<TcpLease>,
    pub options: Options,
    loopback: bool,
}

/// Whether a connection is still needed after a look at it.
#[derive(PartialEq, Eq)]
enum Fate {
    Keep,
    Forget,
}

/// A new smoltcp socket with buffers, or `NoBuffers`.
pub(crate) fn new_socket(options: &Options, connections: usize) -> Result<Socket<'static>> {
    let size =
        |wanted: usize, usual: usize| match connections >= MANY_CONNECTIONS && wanted == usual {
            true => SMALL_BUFFER,
            false => wanted,
        };
    let usual = Options::default();
    let receive = zeroed(size(options.receive_buffer, usual.receive_buffer))?;
    let send = zeroed(size(options.send_buffer, usual.send_buffer))?;
    Ok(Socket::new(
        SocketBuffer::new(receive),
        SocketBuffer::new(send),
    ))
}

pub(crate) fn zeroed(length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(length)
        .map_err(|_| Error::NoBuffers)?;
    bytes.resize(length, 0);
    Ok(bytes)
}

/// Applies what options say about a live connection.
pub(crate) fn apply(socket: &mut Socket<'_>, options: &Options, loopback: bool) {
    socket.set_nagle_enabled(!options.no_delay);
    socket.set_hop_limit(Some(options.time_to_live));
    let idle = Duration::from_secs(u64::from(options.keep_idle_s.max(1)));
    socket.set_keep_alive(options.keep_alive.then_some(idle));
    // Nothing is lost or congested in memory.
    let control = if loopback {
        CongestionControl::None
    } else {
        CongestionControl::Reno
    };
    if core::mem::discriminant(&socket.congestion_control()) != core::mem::discriminant(&control) {
        socket.set_congestion_control(control);
    }
}

pub(crate) fn v4(endpoint: Option<IpEndpoint>) -> Option<SocketAddrV4> {
    let endpoint = endpoint?;
    let IpAddress::Ipv4(address) = endpoint.addr;
    Some(SocketAddrV4::new(address, endpoint.port))
}

impl Connection {
    /// Adds `socket` to the stack as a connection; returns its number.
    pub fn add(
        stack: &mut Stack,
        socket: Socket<'static>,
        channel: Arc<Channel>,
        owner: Owner,
        options: Options,
        lease: Option<TcpLease>,
    ) -> u64 {
        let connection = Self {
            handle: stack.sockets.add(socket),
            channel,
            owner,
            state: State::Closed,
            loopback: stack.link.is_loopback(),
            received: 0,
            time_wait_since_ns: None,
            forget_at_ns: None,
            _lease: lease,
            options,
        };
        let id = stack.fresh_id();
        stack.connections.insert(id, connection);
        id
    }

    /// Changes the options of the live connection.
    pub fn set_options(&mut self, socket: &mut Socket<'_>, options: Options) {
        self.options = options;
        apply(socket, &options, self.loopback);
    }

    pub fn forget_at_ns(&self) -> Option<u64> {
        self.forget_at_ns
    }

    /// Looks at the socket after the stack moved: notes state changes, publishes readiness.
    fn look(&mut self, socket: &mut Socket<'static>, now_ns: u64) -> Fate {
        let state = socket.state();
        if state != self.state {
            self.enter(state, socket, now_ns);
        }
        self.set_timeout(socket);
        self.publish(socket);
        self.fate(socket, now_ns)
    }

    fn enter(&mut self, state: State, socket: &mut Socket<'static>, now_ns: u64) {
        let before = core::mem::replace(&mut self.state, state);
        let quiet = matches!(
            before,
            State::Closed | State::LastAck | State::TimeWait | State::Closing
        );
        if state == State::Closed && !quiet {
            // Not by a reset: those are noted before the stack's timers are looked at.
            self.fail(Error::TimedOut);
        }
        if state == State::TimeWait {
            self.time_wait_since_ns = Some(now_ns);
            // The stack clears the socket when TIME-WAIT ends, read or not.
            self.save_received(socket);
        }
        let opened = matches!(state, State::Established | State::CloseWait);
        if opened
            && let Owner::Listener {
                listener,
                established,
            } = &mut self.owner
            && !core::mem::replace(established, true)
        {
            listener.established();
        }
    }

    fn save_received(&mut self, socket: &mut Socket<'static>) {
        let mut late = self.channel.late.lock();
        while socket.can_recv() {
            let moved = socket.recv(|bytes| {
                late.extend(bytes.iter());
                (bytes.len(), bytes.len())
            });
            if !matches!(moved, Ok(1..)) {
                return;
            }
        }
    }

    /// Records why the connection ended; the first reason stays.
    pub fn fail(&self, error: Error) {
        self.channel.error.lock().get_or_insert(error);
    }

    /// A reset arrived and closed the connection.
    fn note_reset(&mut self, socket: &Socket<'static>) {
        if socket.state() == State::Closed && self.state != State::Closed {
            let refused = self.state == State::SynSent;
            if !matches!(self.state, State::TimeWait | State::LastAck) {
                self.fail(if refused {
                    Error::ConnectionRefused
                } else {
                    Error::ConnectionReset
                });
            }
            self.state = State::Closed;
        }
    }

    /// smoltcp's timeout counts from the last packet received, idle connections included, so it is
    /// only set while an answer is due.
    fn set_timeout(&self, socket: &mut Socket<'static>) {
        let options = &self.options;
        let abandoned = matches!(self.owner, Owner::Nobody { .. });
        let probes = options
            .keep_idle_s
            .saturating_add(options.keep_interval_s * options.keep_count);
        let timeout = match socket.state() {
            State::SynSent => Some(CONNECT_TIMEOUT),
            State::SynReceived => Some(EMBRYO_TIMEOUT),
            State::FinWait2 if abandoned => Some(FIN_TIMEOUT),
            _ if socket.send_queue() > 0 => Some(DATA_TIMEOUT),
            State::FinWait1 | State::Closing | State::LastAck => Some(FIN_TIMEOUT),
            _ if options.keep_alive => Some(Duration::from_secs(u64::from(probes))),
            _ => None,
        };
        socket.set_timeout(timeout);
    }

    /// Publishes what the socket is ready for; growing input is an event of its own.
    pub fn publish(&mut self, socket: &Socket<'static>) {
        if !matches!(self.owner, Owner::Socket) {
            return;
        }
        let received = socket.recv_queue();
        let grown = received > core::mem::replace(&mut self.received, received);
        let events = if grown { Ready::READ } else { Ready::empty() };
        self.channel
            .readiness
            .publish_event(self.ready(socket), events);
    }

    /// tcp_poll(): what poll(2) on Linux says.
    fn ready(&self, socket: &Socket<'static>) -> Ready {
        use State::*;
        let state = socket.state();
        let (mut ready, channel) = (Ready::empty(), &self.channel);
        if matches!(state, SynSent | SynReceived | Listen) {
            return ready;
        }
        let finished = matches!(state, CloseWait | LastAck | Closing | TimeWait | Closed)
            || channel.deaf.load(Ordering::Relaxed);
        let silent = !matches!(state, Established | CloseWait);
        let room = socket.send_capacity() - socket.send_queue();
        ready.set(
            Ready::READ,
            finished || socket.can_recv() || !channel.late.lock().is_empty(),
        );
        ready.set(Ready::READ_HANG_UP, finished);
        ready.set(Ready::WRITE, silent || room * 3 >= socket.send_capacity());
        ready.set(Ready::HANG_UP, finished && silent);
        ready.set(Ready::ERROR, channel.error.lock().is_some());
        ready
    }

    fn fate(&mut self, socket: &Socket<'static>, now_ns: u64) -> Fate {
        let since_ns = match &self.owner {
            Owner::Socket
            | Owner::Listener {
                established: true, ..
            } => return Fate::Keep,
            // A reset sent it back to listening, or it never left: our listeners live elsewhere.
            Owner::Listener { listener, .. } => {
                if !matches!(self.state, State::Listen | State::Closed) {
                    return Fate::Keep;
                }
                listener.stillborn();
                return Fate::Forget;
            }
            Owner::Nobody { since_ns } => *since_ns,
        };
        self.forget_at_ns = match self.state {
            State::Closed if socket.remote_endpoint().is_none() => Some(now_ns),
            State::Closed => Some(since_ns + RESET_PATIENCE_NS),
            State::TimeWait if self.loopback => {
                Some(self.time_wait_since_ns.unwrap_or(now_ns) + LOOPBACK_TIME_WAIT_NS)
            }
            _ => None,
        };
        match self.forget_at_ns {
            Some(at_ns) if at_ns <= now_ns => Fate::Forget,
            _ => Fate::Keep,
        }
    }
}

impl Stack {
    /// Notes which connections the frame just processed has reset.
    pub fn note_resets(&mut self) {
        for connection in self.connections.values_mut() {
            connection.note_reset(self.sockets.get(connection.handle));
        }
    }

    /// Looks at every connection; hands established ones to their listeners, forgets dead ones.
    pub fn look_at_connections(&mut self, now_ns: u64) {
        let mut dead = Vec::new();
        for (&id, connection) in &mut self.connections {
            let socket = self.sockets.get_mut::<Socket>(connection.handle);
            let waiting = matches!(
                connection.owner,
                Owner::Listener {
                    established: false,
                    ..
                }
            );
            if connection.look(socket, now_ns) == Fate::Forget {
                dead.push(id);
            } else if waiting
                && let Owner::Listener {
                    listener,
                    established: true,
                } = &connection.owner
                && let Some((local, remote)) =
                    v4(socket.local_endpoint()).zip(v4(socket.remote_endpoint()))
            {
                listener.offer(Flow {
                    interface: self.index,
                    id,
                    local,
                    remote,
                });
            }
        }
        for id in dead {
            self.forget_connection(id);
        }
    }

    pub fn forget_connection(&mut self, id: u64) {
        if let Some(connection) = self.connections.remove(&id) {
            self.remove_socket(connection.handle);
        }
    }

    /// The connection `id` and its socket.
    pub fn connection(&mut self, id: u64) -> Option<(&mut Connection, &mut Socket<'static>)> {
        let connection = self.connections.get_mut(&id)?;
        let socket = self.sockets.get_mut::<Socket>(connection.handle);
        Some((connection, socket))
    }

    /// Lets go of a connection: closes it in good order, or resets it.
    pub fn abandon(&mut self, id: u64, reset: bool) {
        if let Some((connection, socket)) = self.connection(id) {
            connection.owner = Owner::Nobody {
                since_ns: smp::now_ns(),
            };
            // Whatever still comes is acknowledged at once, so that TIME-WAIT owes no packet.
            socket.set_ack_delay(None);
            if reset || socket.recv_queue() > 0 {
                socket.abort();
            } else {
                socket.close();
            }
            connection.state = socket.state();
        }
    }
}
