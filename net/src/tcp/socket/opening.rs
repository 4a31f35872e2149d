//! Making a TCP connection: the attempt, its SYN and its outcome.

use super::{Phase, TcpSocket};
use crate::stack::Stack;
use crate::tcp::{Connection, Flow, Owner, TcpLease, apply, new_socket};
use crate::{Error, Progress, Ready, Result, Socket};
use core::net::{Ipv4Addr, SocketAddrV4};
use smoltcp::socket::tcp::State;

impl TcpSocket {
    /// Where a connection attempt stands; an ended one gives way to a new attempt.
    pub(super) fn check_attempt(&self) -> Result<()> {
        let Ok(flow) = self.flow() else { return Ok(()) };
        let state = self
            .with_connection(|live| Ok(live.socket.state()))
            .unwrap_or(State::Closed);
        match state {
            State::SynSent | State::SynReceived => return Err(Error::AlreadyConnecting),
            State::Closed | State::TimeWait => {}
            _ => return Err(Error::AlreadyConnected),
        }
        if let Some(error) = self.take_error() {
            return Err(error);
        }
        self.network
            .with_stack(flow.interface, |stack| stack.abandon(flow.id, false));
        *self.phase.lock() = Phase::Fresh(None);
        Ok(())
    }

    /// Makes the connection on its stack and sends the SYN.
    pub(super) fn open(&self, remote: SocketAddrV4) -> Result<Flow> {
        let mut lease = self.take_fresh()?;
        let bound = lease.as_ref().map(|lease| *lease.address.ip());
        let source = bound.filter(|address| !address.is_unspecified());
        let route = self.network.route(*remote.ip())?;
        let source = source.unwrap_or(route.source);
        let interface = &self.network.interfaces()[route.interface];
        if route.broadcast
            || source.is_loopback() != interface.is_loopback() && source != route.source
        {
            return Err(Error::NetworkUnreachable);
        }
        let mut lease = match lease.take() {
            Some(lease) => lease,
            None => self.claim(SocketAddrV4::new(source, 0))?,
        };
        lease.narrow(source);
        let local = SocketAddrV4::new(source, lease.address.port());
        // Connecting to "any" address means this machine.
        let ip = if remote.ip().is_unspecified() {
            Ipv4Addr::LOCALHOST
        } else {
            *remote.ip()
        };
        let remote = SocketAddrV4::new(ip, remote.port());
        let id = self.network.with_stack(route.interface, |stack| {
            self.start(stack, local, remote, lease)
        })?;
        Ok(Flow {
            interface: route.interface,
            id,
            local,
            remote,
        })
    }

    pub(super) fn start(
        &self,
        stack: &mut Stack,
        local: SocketAddrV4,
        remote: SocketAddrV4,
        lease: TcpLease,
    ) -> Result<u64> {
        let options = *self.options.lock();
        let mut socket = new_socket(&options, stack)?;
        apply(&mut socket, &options, stack.link.is_loopback());
        let (to, from) = ((*remote.ip(), remote.port()), (*local.ip(), local.port()));
        socket
            .connect(stack.interface.context(), to, from)
            .map_err(|_| Error::AddressNotAvailable)?;
        self.channel.readiness.publish(Ready::empty());
        let (channel, lease) = (self.channel.clone(), Some(lease));
        Ok(Connection::add(
            stack,
            socket,
            channel,
            Owner::Socket,
            options,
            lease,
        ))
    }

    /// The outcome of an attempt right after it was started: loopback answers at once.
    pub(super) fn progress(&self) -> Result<Progress> {
        let state = self.with_connection(|live| Ok(live.socket.state()))?;
        match state {
            State::SynSent | State::SynReceived => Ok(Progress::InProgress),
            State::Closed => Err(self.take_error().unwrap_or(Error::ConnectionRefused)),
            _ => Ok(Progress::Done),
        }
    }
}
