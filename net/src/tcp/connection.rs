//! A connection in its stack: what is noticed about it each time the stack has moved.

use super::direct::{Direct, is_roomy};
use super::{Channel, Listener, TcpLease, apply};
use crate::news::News;
use crate::stack::Stack;
use crate::{Error, Options, Ready};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{Socket, State};
use smoltcp::time::Duration;

/// Unanswered SYNs: Linux's six retries.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(127);
/// Half-open connections of a listener.
const EMBRYO_TIMEOUT: Duration = Duration::from_secs(60);
/// Unacknowledged data: Linux's fifteen retries.
const DATA_TIMEOUT: Duration = Duration::from_secs(924);
/// The peer's FIN after our socket is closed (tcp_fin_timeout).
const FIN_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a closed connection may wait to get its reset out.
const RESET_PATIENCE_NS: u64 = 2_000_000_000;

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
    /// The way to an other end on this machine.
    pub direct: Option<Direct>,
    /// As of the last look.
    state: State,
    received: usize,
    forget_at_ns: Option<u64>,
    /// Holds the local port of connections made from this side until they are forgotten.
    _lease: Option<TcpLease>,
    pub options: Options,
    pub(super) loopback: bool,
}

/// Whether a connection is still needed after a look at it.
#[derive(PartialEq, Eq)]
pub(super) enum Fate {
    Keep,
    Forget,
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
            direct: None,
            state: State::Closed,
            loopback: stack.link.is_loopback(),
            received: 0,
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
    pub(super) fn look(
        &mut self,
        socket: &mut Socket<'static>,
        now_ns: u64,
        news: &mut News,
    ) -> Fate {
        let state = socket.state();
        let changed = state != self.state;
        if changed {
            self.enter(state, socket);
        }
        self.set_timeout(socket);
        self.publish(socket, news);
        if changed {
            // Not all that a change of state ends is readiness: a close may wait for its FIN.
            news.add(&self.channel, Ready::empty(), true);
        }
        self.fate(socket, now_ns)
    }

    fn enter(&mut self, state: State, socket: &mut Socket<'static>) {
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

    /// This side has closed: what becomes of the connection from here on is no failure, even if it
    /// is over before the next look. Whatever still comes is acknowledged at once, so that
    /// TIME-WAIT owes no packet.
    pub(super) fn note_close(&mut self, socket: &mut Socket<'static>) {
        socket.set_ack_delay(None);
        self.state = socket.state();
    }

    /// A reset arrived and closed the connection.
    pub(super) fn note_reset(&mut self, socket: &Socket<'static>) {
        if socket.state() == State::Closed && self.state != State::Closed {
            match self.state {
                State::TimeWait | State::LastAck => {}
                State::SynSent => self.fail(Error::ConnectionRefused),
                // Readers have the end of the stream already; it is writers who are told.
                State::CloseWait => self.fail(Error::BrokenPipe),
                _ => self.fail(Error::ConnectionReset),
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
            .saturating_add(options.keep_interval_s.saturating_mul(options.keep_count));
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
    pub fn publish(&mut self, socket: &Socket<'static>, news: &mut News) {
        if !matches!(self.owner, Owner::Socket) {
            return;
        }
        let received = self.queued(socket);
        let grown = received > core::mem::replace(&mut self.received, received);
        let events = if grown { Ready::READ } else { Ready::empty() };
        let untold = self.channel.readiness.note(self.ready(socket), events);
        news.add(&self.channel, untold, false);
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
        ready.set(
            Ready::READ,
            finished || self.queued(socket) > 0 || !channel.late.lock().is_empty(),
        );
        ready.set(Ready::READ_HANG_UP, finished);
        ready.set(Ready::WRITE, silent || self.has_room(socket));
        ready.set(Ready::HANG_UP, finished && silent);
        ready.set(Ready::ERROR, channel.error.lock().is_some());
        ready
    }

    /// Whether there is enough room to wake a sender for.
    pub fn has_room(&self, socket: &Socket<'static>) -> bool {
        match &self.direct {
            Some(direct) => is_roomy(&direct.outgoing()),
            None => (socket.send_capacity() - socket.send_queue()) * 3 >= socket.send_capacity(),
        }
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
            // No packet is late in memory, and the last ACK left when the FIN came: closing sides
            // do not delay it.
            State::TimeWait if self.loopback => Some(now_ns),
            _ => None,
        };
        match self.forget_at_ns {
            Some(at_ns) if at_ns <= now_ns => Fate::Forget,
            _ => Fate::Keep,
        }
    }
}
