//! TCP: connections as the stack holds them, and what is noticed each time it is driven.
//!
//! A [`Connection`] lives in its interface's stack, from the first SYN until it may be forgotten,
//! which can be after its socket is gone. Socket and connection share a [`Channel`].

mod connection;
mod direct;
mod listener;
mod socket;

use connection::Fate;
pub(crate) use connection::{Connection, Owner};
pub(crate) use listener::Listener;
pub use socket::TcpSocket;

use crate::news::News;
use crate::ports::Lease;
use crate::stack::Stack;
use crate::{Error, Options, Readiness, Ready, Result};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddrV4;
use core::sync::atomic::AtomicBool;
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer};
use smoltcp::time::Duration;
use smoltcp::wire::{IpAddress, IpEndpoint};
use smp::SpinLock;

/// From this many connections on, new ones get small buffers.
const MANY_CONNECTIONS: usize = 32;
const SMALL_BUFFER: usize = 16 * 1024;
/// What a connection over loopback has in the stack: its bytes do not go through it.
const LOOPBACK_BUFFER: usize = 2048;

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

/// A connection, its socket in the stack, and where to put what is to be told about it.
pub(crate) struct Live<'a> {
    pub connection: &'a mut Connection,
    pub socket: &'a mut Socket<'static>,
    pub news: &'a mut News,
}

impl Live<'_> {
    pub fn publish(&mut self) {
        self.connection.publish(self.socket, self.news);
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

/// How large the buffers of a connection beside so many others are, in bytes.
struct BufferSizes {
    receive: usize,
    send: usize,
}

impl BufferSizes {
    fn new(options: &Options, connections: usize) -> Self {
        let size = |wanted: usize, usual: usize| match connections >= MANY_CONNECTIONS
            && wanted == usual
        {
            true => SMALL_BUFFER,
            false => wanted,
        };
        let usual = Options::default();
        Self {
            receive: size(options.receive_buffer, usual.receive_buffer),
            send: size(options.send_buffer, usual.send_buffer),
        }
    }
}

/// A new smoltcp socket with buffers for `stack`, or `NoBuffers`.
pub(crate) fn new_socket(options: &Options, stack: &Stack) -> Result<Socket<'static>> {
    let sizes = match stack.link.is_loopback() {
        true => BufferSizes {
            receive: LOOPBACK_BUFFER,
            send: LOOPBACK_BUFFER,
        },
        false => BufferSizes::new(options, stack.connections.len()),
    };
    Ok(Socket::new(
        SocketBuffer::new(zeroed(sizes.receive)?),
        SocketBuffer::new(zeroed(sizes.send)?),
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
    socket.set_nagle_enabled(options.cork || !options.no_delay);
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

impl Stack {
    /// Notes which connections the frame just processed has reset.
    pub fn note_resets(&mut self) {
        for connection in self.connections.values_mut() {
            connection.note_reset(self.sockets.get(connection.handle));
        }
    }

    /// Looks at every connection; hands established ones to their listeners, forgets dead ones.
    pub fn look_at_connections(&mut self, now_ns: u64) {
        let (mut dead, mut single) = (Vec::new(), Vec::new());
        for (&id, connection) in &mut self.connections {
            let socket = self.sockets.get_mut::<Socket>(connection.handle);
            let waiting = matches!(
                connection.owner,
                Owner::Listener {
                    established: false,
                    ..
                }
            );
            let fate = connection.look(socket, now_ns, &mut self.news);
            if connection.is_single(socket) {
                single.push(id);
            }
            if fate == Fate::Forget {
                dead.push(id);
            } else if waiting
                && let Owner::Listener {
                    listener,
                    established: true,
                } = &connection.owner
                && let Some((local, remote)) =
                    v4(socket.local_endpoint()).zip(v4(socket.remote_endpoint()))
            {
                let flow = Flow {
                    interface: self.index,
                    id,
                    local,
                    remote,
                };
                listener.offer(flow, &mut self.news);
            }
        }
        for id in single {
            self.join(id);
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
    pub fn connection(&mut self, id: u64) -> Option<Live<'_>> {
        let connection = self.connections.get_mut(&id)?;
        let socket = self.sockets.get_mut::<Socket>(connection.handle);
        Some(Live {
            connection,
            socket,
            news: &mut self.news,
        })
    }

    /// Lets go of a connection: closes it in good order, or resets it.
    pub fn abandon(&mut self, id: u64, reset: bool) {
        if let Some(Live {
            connection, socket, ..
        }) = self.connection(id)
        {
            connection.owner = Owner::Nobody {
                since_ns: smp::now_ns(),
            };
            if reset || connection.queued(socket) > 0 {
                socket.abort();
            } else {
                socket.close();
            }
            connection.note_close(socket);
        }
    }
}
