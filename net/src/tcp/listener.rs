//! Listening sockets. smoltcp has no backlog: a listening port is an entry in our port table, and a
//! connection's socket is made when its SYN arrives, so that idle listeners own no buffers.

use super::{Channel, Connection, Flow, Owner, apply, new_socket};
use crate::network::Network;
use crate::news::News;
use crate::stack::Stack;
use crate::{Options, Ready};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::net::SocketAddrV4;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use smp::SpinLock;

/// The largest backlog (net.core.somaxconn).
const MAX_BACKLOG: usize = 4096;

/// A listening port and the connections that wait to be accepted.
pub(crate) struct Listener {
    pub address: SocketAddrV4,
    pub channel: Arc<Channel>,
    pub options: SpinLock<Options>,
    backlog: AtomicUsize,
    /// Connections whose handshake is going on.
    embryos: AtomicUsize,
    closed: AtomicBool,
    accepted: SpinLock<VecDeque<Flow>>,
}

impl Listener {
    pub fn new(
        address: SocketAddrV4,
        channel: Arc<Channel>,
        options: Options,
        backlog: usize,
    ) -> Arc<Self> {
        let listener = Self {
            address,
            channel,
            options: SpinLock::new(options),
            backlog: AtomicUsize::new(0),
            embryos: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            accepted: SpinLock::new(VecDeque::new()),
        };
        listener.set_backlog(backlog);
        Arc::new(listener)
    }

    pub fn set_backlog(&self, backlog: usize) {
        self.backlog
            .store(backlog.min(MAX_BACKLOG), Ordering::Relaxed);
    }

    /// Whether another connection attempt may start. Like Linux, one more than the backlog.
    pub fn has_room(&self) -> bool {
        let waiting = self.accepted.lock().len() + self.embryos.load(Ordering::Relaxed);
        !self.is_closed() && waiting <= self.backlog.load(Ordering::Relaxed)
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(super) fn established(&self) {
        self.embryos.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn stillborn(&self) {
        self.embryos.fetch_sub(1, Ordering::Relaxed);
    }

    /// A connection is ready to be accepted.
    pub(super) fn offer(&self, flow: Flow, news: &mut News) {
        let mut accepted = self.accepted.lock();
        accepted.push_back(flow);
        let events = self.channel.readiness.note(Ready::READ, Ready::READ);
        drop(accepted);
        news.add(&self.channel, events, false);
    }

    /// The connection that has waited longest.
    pub fn take(&self) -> Option<Flow> {
        let mut accepted = self.accepted.lock();
        let flow = accepted.pop_front();
        if accepted.is_empty() && !self.is_closed() {
            self.channel.readiness.publish(Ready::empty());
        }
        flow
    }

    /// Stops listening: resets what nobody accepted.
    pub fn close(self: &Arc<Self>, network: &Network) {
        self.closed.store(true, Ordering::Relaxed);
        for interface in network.interfaces() {
            network.with_stack(interface.index, |stack| stack.abandon_embryos(self));
        }
        self.accepted.lock().clear();
    }

    /// How many connections wait to be accepted.
    pub fn waiting(&self) -> usize {
        self.accepted.lock().len()
    }
}

impl Stack {
    /// A SYN came for `listener`: makes the socket that will answer it. Without room or memory there
    /// is none, and the SYN is dropped; the peer tries again. False in that case.
    pub fn conceive(&mut self, listener: &Arc<Listener>, local: SocketAddrV4) -> bool {
        if !listener.has_room() {
            return false;
        }
        let options = *listener.options.lock();
        let Ok(mut socket) = new_socket(&options, self) else {
            return false;
        };
        apply(&mut socket, &options, self.link.is_loopback());
        if socket.listen((*local.ip(), local.port())).is_err() {
            return false;
        }
        listener.embryos.fetch_add(1, Ordering::Relaxed);
        let owner = Owner::Listener {
            listener: listener.clone(),
            established: false,
        };
        Connection::add(
            self,
            socket,
            Channel::new(Ready::empty()),
            owner,
            options,
            None,
        );
        true
    }

    fn abandon_embryos(&mut self, listener: &Arc<Listener>) {
        let mine = |owner: &Owner| matches!(owner, Owner::Listener { listener: l, .. } if Arc::ptr_eq(l, listener));
        let embryos = self
            .connections
            .iter()
            .filter(|(_, connection)| mine(&connection.owner));
        let ids: alloc::vec::Vec<u64> = embryos.map(|(&id, _)| id).collect();
        for id in ids {
            self.abandon(id, true);
        }
    }
}
