//! The TCP socket that descriptors refer to.

mod opening;
mod transfer;

use super::direct::is_roomy;
use super::{Channel, Flow, Listener, Live, Owner, TcpLease, v4};
use crate::network::Network;
use crate::ports::Sharing;
use crate::{
    Accepted, Address, ByteSink, ByteSource, Error, Kind, Message, Options, Progress, Readiness,
    Ready, Received, Result, Shutdown, Socket,
};
use alloc::sync::Arc;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::sync::atomic::Ordering;
use smoltcp::socket::tcp::State;
use smp::{Mutex, SpinLock};
use transfer::{drain, fill, take_late};

/// Linux: an unconnected stream socket is writable and hung up.
const UNCONNECTED: Ready = Ready::WRITE.union(Ready::HANG_UP);

pub struct TcpSocket {
    network: Arc<Network>,
    channel: Arc<Channel>,
    options: SpinLock<Options>,
    phase: SpinLock<Phase>,
    /// Held while the phase is about to change: bind, listen, connect.
    changing: Mutex<()>,
}

enum Phase {
    Fresh(Option<TcpLease>),
    Listening(TcpLease, Arc<Listener>),
    Open(Flow),
}

impl TcpSocket {
    pub(crate) fn new(network: Arc<Network>) -> Self {
        Self {
            network,
            channel: Channel::new(UNCONNECTED),
            options: SpinLock::new(Options::default()),
            phase: SpinLock::new(Phase::Fresh(None)),
            changing: Mutex::new(()),
        }
    }

    fn flow(&self) -> Result<Flow> {
        match *self.phase.lock() {
            Phase::Open(flow) => Ok(flow),
            _ => Err(Error::NotConnected),
        }
    }

    fn listener(&self) -> Option<Arc<Listener>> {
        match &*self.phase.lock() {
            Phase::Listening(_, listener) => Some(listener.clone()),
            _ => None,
        }
    }

    /// Takes the port, if any, of a socket that is not connected.
    fn take_fresh(&self) -> Result<Option<TcpLease>> {
        match &mut *self.phase.lock() {
            Phase::Fresh(lease) => Ok(lease.take()),
            _ => Err(Error::AlreadyConnected),
        }
    }

    fn sharing(&self) -> Sharing {
        let options = self.options.lock();
        Sharing {
            address: options.reuse_address,
            port: options.reuse_port,
        }
    }

    fn claim(&self, address: SocketAddrV4) -> Result<TcpLease> {
        self.network.tcp_ports.claim(address, self.sharing(), None)
    }

    /// Runs `work` on the connection under its stack's lock, without driving the stack.
    fn with_connection<R>(&self, work: impl FnOnce(&mut Live<'_>) -> Result<R>) -> Result<R> {
        let flow = self.flow()?;
        let mut stack = self.network.interfaces()[flow.interface].stack();
        work(&mut stack.connection(flow.id).ok_or(Error::NotConnected)?)
    }

    /// What a call on a connection that cannot do it any more reports: the pending error first.
    fn ended<R>(&self, otherwise: Result<R>) -> Result<R> {
        match self.channel.error.lock().take() {
            Some(error) => Err(error),
            None => otherwise,
        }
    }

    /// What a receive that found nothing reports.
    fn nothing_received(&self, more_may_come: bool) -> Result<Received> {
        let finished = !more_may_come || self.channel.deaf.load(Ordering::Relaxed);
        let for_writers = *self.channel.error.lock() == Some(Error::BrokenPipe);
        match finished {
            false => Err(Error::WouldBlock),
            true if for_writers => Ok(Received::default()),
            true => self.ended(Ok(Received::default())),
        }
    }
}

impl Socket for TcpSocket {
    fn kind(&self) -> Kind {
        Kind::Tcp
    }

    fn readiness(&self) -> &Readiness {
        &self.channel.readiness
    }

    fn options(&self) -> Options {
        *self.options.lock()
    }

    fn update_options(&self, change: &mut dyn FnMut(&mut Options)) {
        let options = {
            let mut options = self.options.lock();
            change(&mut options);
            *options = options.clamped();
            *options
        };
        if let Some(listener) = self.listener() {
            *listener.options.lock() = options;
        }
        // Without a connection there is nothing to apply them to yet.
        let _ = self.with_connection(|live| {
            live.connection.set_options(live.socket, options);
            Ok(())
        });
    }

    fn take_error(&self) -> Option<Error> {
        let error = self.channel.error.lock().take();
        // The error no longer counts as readiness.
        let _ = self.with_connection(|live| {
            live.publish();
            Ok(())
        });
        error
    }

    fn bind(&self, address: &Address) -> Result<()> {
        let address = address.clone().inet().ok_or(Error::WrongFamily)?;
        let _changing = self.changing.lock();
        if !matches!(*self.phase.lock(), Phase::Fresh(None)) {
            return Err(Error::InvalidArgument);
        }
        self.network.check_local(*address.ip())?;
        let lease = self.claim(address)?;
        *self.phase.lock() = Phase::Fresh(Some(lease));
        Ok(())
    }

    fn listen(&self, backlog: usize) -> Result<()> {
        let _changing = self.changing.lock();
        if let Some(listener) = self.listener() {
            listener.set_backlog(backlog);
            return Ok(());
        }
        let lease = match self.take_fresh().map_err(|_| Error::InvalidArgument)? {
            Some(lease) => lease,
            None => self.claim(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?,
        };
        let listener = Listener::new(lease.address, self.channel.clone(), self.options(), backlog);
        let listening = lease.listen(Some(listener.clone()));
        if listening.is_err() {
            *self.phase.lock() = Phase::Fresh(Some(lease));
            return listening;
        }
        self.channel.readiness.publish(Ready::empty());
        *self.phase.lock() = Phase::Listening(lease, listener);
        Ok(())
    }

    fn is_listening(&self) -> bool {
        self.listener().is_some()
    }

    fn connect(&self, address: Option<&Address>) -> Result<Progress> {
        let _changing = self.changing.lock();
        if self.is_listening() {
            return Err(Error::AlreadyConnected);
        }
        let address = address.ok_or(Error::NotSupported)?;
        let remote = address.clone().inet().ok_or(Error::WrongFamily)?;
        self.check_attempt()?;
        if remote.port() == 0 {
            return Err(Error::ConnectionRefused);
        }
        let flow = self.open(remote)?;
        *self.phase.lock() = Phase::Open(flow);
        self.progress()
    }

    fn accept(&self) -> Result<Accepted> {
        let listener = self.listener().ok_or(Error::InvalidArgument)?;
        loop {
            let Some(flow) = listener.take() else {
                let closed = listener.is_closed();
                return Err(if closed {
                    Error::InvalidArgument
                } else {
                    Error::WouldBlock
                });
            };
            let mut stack = self.network.interfaces()[flow.interface].stack();
            // One that its listener's close has reset meanwhile is gone.
            let Some(mut live) = stack.connection(flow.id) else {
                continue;
            };
            live.connection.owner = Owner::Socket;
            live.publish();
            let connection = live.connection;
            let socket = Self {
                network: self.network.clone(),
                channel: connection.channel.clone(),
                options: SpinLock::new(connection.options),
                phase: SpinLock::new(Phase::Open(flow)),
                changing: Mutex::new(()),
            };
            return Ok(Accepted {
                socket: Arc::new(socket),
                peer: Address::Inet(flow.remote),
            });
        }
    }

    fn local_address(&self) -> Address {
        match &*self.phase.lock() {
            Phase::Fresh(None) => Address::ANY,
            Phase::Fresh(Some(lease)) | Phase::Listening(lease, _) => Address::Inet(lease.address),
            Phase::Open(flow) => Address::Inet(flow.local),
        }
    }

    fn peer_address(&self) -> Result<Address> {
        let flow = self.flow()?;
        self.with_connection(|live| {
            match (live.socket.state(), v4(live.socket.remote_endpoint())) {
                (State::SynSent | State::SynReceived, _) | (State::Closed, None) => {
                    Err(Error::NotConnected)
                }
                _ => Ok(Address::Inet(flow.remote)),
            }
        })
    }

    fn send(&self, data: &mut dyn ByteSource, _message: Message<'_>) -> Result<usize> {
        // Linux: there is nothing to write to yet.
        let flow = self.flow().map_err(|_| Error::BrokenPipe)?;
        let mut stack = self.network.interfaces()[flow.interface].stack();
        let mut live = stack.connection(flow.id).ok_or(Error::NotConnected)?;
        let socket = &mut *live.socket;
        if matches!(socket.state(), State::SynSent | State::SynReceived) {
            return Err(Error::WouldBlock);
        }
        if !socket.may_send() {
            return self.ended(Err(Error::BrokenPipe));
        }
        let direct = live.connection.direct.as_ref();
        let sent = match direct {
            Some(direct) => fill(&mut *direct.outgoing(), data),
            None => fill(socket, data),
        };
        let peer = direct.map(|direct| direct.peer);
        if !live.connection.has_room(socket) {
            live.publish();
        }
        match (peer, &sent) {
            (Some(peer), Ok(sent @ 1..)) => stack.arrived(peer, *sent, &self.network),
            (None, Ok(1..)) => stack.drive(&self.network),
            _ => {}
        }
        sent
    }

    fn receive(&self, data: &mut dyn ByteSink, peek: bool) -> Result<Received> {
        let flow = self.flow()?;
        let mut stack = self.network.interfaces()[flow.interface].stack();
        let mut live = stack.connection(flow.id).ok_or(Error::NotConnected)?;
        let socket = &mut *live.socket;
        if matches!(socket.state(), State::SynSent | State::SynReceived) {
            return Err(Error::WouldBlock);
        }
        if data.remaining() == 0 {
            return Ok(Received::default());
        }
        let queued = socket.recv_queue();
        let mut length = take_late(&self.channel, data, peek)?;
        // An other end here that may be waiting for room.
        let mut starved = None;
        if length == 0 {
            length = match &live.connection.direct {
                Some(direct) => {
                    let mut incoming = direct.incoming();
                    starved = (!is_roomy(&incoming)).then_some(direct.peer);
                    drain(&mut *incoming, data, peek)?
                }
                None => drain(socket, data, peek)?,
            };
        }
        if length == 0 {
            return self.nothing_received(socket.may_recv());
        }
        live.publish();
        if let Some(peer) = starved {
            stack.publish(peer);
        } else if !peek && queued * 4 >= live.socket.recv_capacity() {
            // With a good part of the buffer freed, the peer may be waiting to hear of it.
            stack.drive(&self.network);
        }
        Ok(Received {
            length,
            full_length: length,
            ..Received::default()
        })
    }

    fn shutdown(&self, how: Shutdown) -> Result<()> {
        if let Some(listener) = self.listener() {
            if how.reads() {
                listener.close(&self.network);
                self.channel.readiness.publish(Ready::READ | Ready::HANG_UP);
            }
            return Ok(());
        }
        let flow = self.flow()?;
        self.network.with_stack(flow.interface, |stack| {
            let mut live = stack.connection(flow.id).ok_or(Error::NotConnected)?;
            let socket = &mut *live.socket;
            if !socket.is_active() && socket.state() != State::TimeWait {
                return Err(Error::NotConnected);
            }
            if how.reads() {
                self.channel.deaf.store(true, Ordering::Relaxed);
            }
            if how.writes() {
                socket.close();
                live.connection.note_close(socket);
            }
            live.publish();
            Ok(())
        })
    }

    fn receivable(&self) -> usize {
        let late = self.channel.late.lock().len();
        late + self
            .with_connection(|live| Ok(live.connection.queued(live.socket)))
            .unwrap_or(0)
    }

    fn unsent(&self) -> usize {
        self.with_connection(|live| {
            let socket = &live.socket;
            let fin = matches!(
                socket.state(),
                State::FinWait1 | State::Closing | State::LastAck
            );
            Ok(socket.send_queue() + usize::from(fin))
        })
        .unwrap_or(0)
    }
}

impl Drop for TcpSocket {
    fn drop(&mut self) {
        // Taken out first: closing may sleep, which the phase's spin lock does not allow.
        let phase = core::mem::replace(&mut *self.phase.lock(), Phase::Fresh(None));
        match phase {
            Phase::Fresh(_) => {}
            Phase::Listening(lease, listener) => {
                drop(lease);
                listener.close(&self.network);
            }
            Phase::Open(flow) => {
                let reset = self.options.lock().linger_s == Some(0);
                self.network
                    .with_stack(flow.interface, |stack| stack.abandon(flow.id, reset));
            }
        }
    }
}
