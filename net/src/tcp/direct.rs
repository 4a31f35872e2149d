//! Connections whose both ends are on this machine: bytes go straight into a ring that the other
//! end reads. Only SYN, FIN and RST travel as packets, each after the bytes it follows.

use super::{BufferSizes, Connection, Live, Owner, zeroed};
use crate::Result;
use crate::network::Network;
use crate::stack::Stack;
use alloc::sync::Arc;
use smoltcp::socket::tcp::{Socket, State};
use smoltcp::storage::RingBuffer;
use smp::{Mutex, MutexGuard};

/// Bytes on their way: what would be one end's send buffer and the other's receive buffer.
pub(super) type Ring = RingBuffer<'static, u8>;

/// One direction, which both ends have. Locked with their stack locked, so nobody ever waits.
type Lane = Arc<Mutex<Ring>>;

/// How a connection reaches its other end.
pub(crate) struct Direct {
    /// The other end's number.
    pub peer: u64,
    incoming: Lane,
    outgoing: Lane,
}

impl Direct {
    pub fn incoming(&self) -> MutexGuard<'_, Ring> {
        self.incoming.lock()
    }

    pub fn outgoing(&self) -> MutexGuard<'_, Ring> {
        self.outgoing.lock()
    }
}

/// Whether a ring has enough room to wake a sender for.
pub(super) fn is_roomy(ring: &Ring) -> bool {
    ring.window() * 3 >= ring.capacity()
}

impl Connection {
    /// Open, on loopback, not joined to its other end, and without bytes in packets.
    pub(super) fn is_single(&self, socket: &Socket<'_>) -> bool {
        self.loopback
            && self.direct.is_none()
            && matches!(socket.state(), State::Established | State::CloseWait)
            && socket.send_queue() + socket.recv_queue() == 0
    }

    /// Bytes that can be received.
    pub fn queued(&self, socket: &Socket<'_>) -> usize {
        let direct = self.direct.as_ref();
        socket.recv_queue() + direct.map_or(0, |direct| direct.incoming().len())
    }
}

impl Stack {
    /// Joins connection `id` and its other end. Without memory bytes will travel in packets, as they
    /// do when the other end is not a socket of ours: raw sockets can play one.
    pub(super) fn join(&mut self, id: u64) {
        if let Some(peer) = self.other_end(id)
            && let Ok(there) = self.lane(id, peer)
            && let Ok(back) = self.lane(peer, id)
        {
            self.join_by(id, peer, &back, &there);
            if peer == id {
                // Connected to itself: what it sends is what it receives.
                self.join_by(id, id, &there, &there);
            } else {
                self.join_by(peer, id, &there, &back);
            }
        }
    }

    fn join_by(&mut self, id: u64, peer: u64, incoming: &Lane, outgoing: &Lane) {
        if let Some(Live { connection, .. }) = self.connection(id) {
            let (incoming, outgoing) = (incoming.clone(), outgoing.clone());
            connection.direct = Some(Direct {
                peer,
                incoming,
                outgoing,
            });
        }
    }

    fn other_end(&self, id: u64) -> Option<u64> {
        let socket = |connection: &Connection| self.sockets.get::<Socket>(connection.handle);
        let mine = socket(self.connections.get(&id)?);
        let ends = (mine.remote_endpoint(), mine.local_endpoint());
        let mut all = self.connections.iter();
        let found = all.find(|(_, connection)| {
            let socket = socket(connection);
            connection.is_single(socket)
                && (socket.local_endpoint(), socket.remote_endpoint()) == ends
        });
        found.map(|(&peer, _)| peer)
    }

    /// A ring for what `from` sends to `to`.
    fn lane(&self, from: u64, to: u64) -> Result<Lane> {
        let sizes = |id| BufferSizes::new(&self.connections[&id].options, self.connections.len());
        let size = sizes(from).send + sizes(to).receive;
        Ok(Arc::new(Mutex::new(Ring::new(zeroed(size)?))))
    }

    /// Connection `id` was sent `count` bytes. One that nobody will read is reset.
    pub(super) fn arrived(&mut self, id: u64, count: usize, network: &Network) {
        self.link.count_looped(count);
        let Some(mut live) = self.connection(id) else {
            return;
        };
        if matches!(live.connection.owner, Owner::Nobody { .. }) {
            self.abandon(id, true);
            self.drive(network);
        } else {
            live.publish();
        }
    }

    /// Publishes what connection `id` is ready for, if it is still there.
    pub(super) fn publish(&mut self, id: u64) {
        if let Some(mut live) = self.connection(id) {
            live.publish();
        }
    }
}
