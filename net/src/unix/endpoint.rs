//! One UNIX socket: binding, connecting, sending and receiving.
//!
//! Locks, outermost first: `refreshing`, then any of the leaves (`state`, a queue's list,
//! `starved`), one at a time. Peers know each other by weak references only.

mod connecting;
mod room;
mod sending;

use super::names::Names;
use super::queue::{Mode, Queue};
use crate::{
    Accepted, Address, ByteSink, ByteSource, Credentials, Error, Kind, Message, Options, Progress,
    Readiness, Ready, Received, Result, Shutdown, Socket, UnixAddress,
};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::AtomicBool;
use sending::Sending;
use smp::SpinLock;

/// The largest backlog (net.core.somaxconn).
const MAX_BACKLOG: usize = 4096;
/// A long stream write is moved in pieces, so that its reader can start early.
const STREAM_PIECE: usize = 32 * 1024;

/// A UNIX-domain socket.
pub struct UnixSocket {
    kind: Kind,
    mode: Mode,
    names: Arc<Names>,
    me: Weak<UnixSocket>,
    /// Who made this socket.
    creator: Credentials,
    readiness: Readiness,
    /// What this endpoint receives.
    queue: Queue,
    state: SpinLock<State>,
    /// Senders (or connecting clients) that wait for room here.
    starved: SpinLock<Vec<Weak<UnixSocket>>>,
    /// Whether someone may be on that list: looked at after room was made, set before the last
    /// look at the room, with full fences between on both sides.
    starving: AtomicBool,
    /// Held while readiness is computed and published, so that an older result never comes last.
    refreshing: SpinLock<()>,
}

struct State {
    address: UnixAddress,
    options: Options,
    link: Link,
    /// Where the last send or connect found no room.
    stuck_at: Option<Weak<UnixSocket>>,
    error: Option<Error>,
    mute: bool,
}

/// What a socket is linked to.
#[derive(Clone)]
enum Link {
    None,
    Listening {
        backlog: usize,
        waiting: VecDeque<Arc<UnixSocket>>,
    },
    /// The other end (streams, sequenced packets) or the default destination (datagrams).
    Peer {
        socket: Weak<UnixSocket>,
        address: UnixAddress,
        credentials: Credentials,
    },
}

impl UnixSocket {
    /// A new unconnected socket of one of the UNIX kinds.
    pub fn new(names: Arc<Names>, kind: Kind, creator: Credentials) -> Arc<Self> {
        Self::linked(names, kind, creator, UnixAddress::Unnamed, Link::None)
    }

    fn linked(
        names: Arc<Names>,
        kind: Kind,
        creator: Credentials,
        address: UnixAddress,
        link: Link,
    ) -> Arc<Self> {
        let mode = if kind == Kind::UnixStream {
            Mode::Stream
        } else {
            Mode::Messages
        };
        let state = State {
            address,
            options: Options {
                send_buffer: 208 * 1024,
                receive_buffer: 208 * 1024,
                ..Options::default()
            },
            link,
            stuck_at: None,
            error: None,
            mute: false,
        };
        let socket = Arc::new_cyclic(|me| Self {
            kind,
            mode,
            names,
            me: me.clone(),
            creator,
            readiness: Readiness::new(Ready::empty()),
            queue: Queue::new(mode),
            state: SpinLock::new(state),
            starved: SpinLock::new(Vec::new()),
            starving: AtomicBool::new(false),
            refreshing: SpinLock::new(()),
        });
        socket.refresh(Ready::empty());
        socket
    }

    /// Two sockets connected to each other (socketpair(2)).
    pub fn pair(names: &Arc<Names>, kind: Kind, creator: Credentials) -> (Arc<Self>, Arc<Self>) {
        let one = Self::new(names.clone(), kind, creator);
        let other = Self::new(names.clone(), kind, creator);
        one.state.lock().link = one.link_to(&other);
        other.state.lock().link = other.link_to(&one);
        one.refresh(Ready::empty());
        other.refresh(Ready::empty());
        (one, other)
    }

    fn link_to(&self, peer: &Arc<UnixSocket>) -> Link {
        Link::Peer {
            socket: peer.me.clone(),
            address: peer.address(),
            credentials: peer.creator,
        }
    }

    pub fn address(&self) -> UnixAddress {
        self.state.lock().address.clone()
    }

    fn is_datagram(&self) -> bool {
        self.kind == Kind::UnixDatagram
    }

    /// The other end: `NotConnected` without one, `None` when it is gone.
    fn peer(&self) -> Result<Option<Arc<UnixSocket>>> {
        match &self.state.lock().link {
            Link::Peer { socket, .. } => Ok(socket.upgrade()),
            _ => Err(Error::NotConnected),
        }
    }
}

impl Socket for UnixSocket {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    fn options(&self) -> Options {
        self.state.lock().options
    }

    fn update_options(&self, change: &mut dyn FnMut(&mut Options)) {
        {
            let mut state = self.state.lock();
            change(&mut state.options);
            state.options = state.options.clamped();
        }
        self.refresh(Ready::empty());
    }

    fn take_error(&self) -> Option<Error> {
        let error = self.state.lock().error.take();
        self.refresh(Ready::empty());
        error
    }

    fn bind(&self, address: &Address) -> Result<()> {
        let Address::Unix(address) = address else {
            return Err(Error::WrongFamily);
        };
        let me = self.me.upgrade().ok_or(Error::InvalidArgument)?;
        if self.address() != UnixAddress::Unnamed {
            return Err(Error::InvalidArgument);
        }
        let address = match address {
            UnixAddress::Unnamed => self.names.bind_automatically(&me)?,
            address => {
                self.names.bind(address, &me)?;
                address.clone()
            }
        };
        self.state.lock().address = address;
        Ok(())
    }

    fn listen(&self, backlog: usize) -> Result<()> {
        if self.is_datagram() {
            return Err(Error::NotSupported);
        }
        {
            let mut state = self.state.lock();
            let limit = backlog.min(MAX_BACKLOG);
            let nameless = state.address == UnixAddress::Unnamed;
            match &mut state.link {
                Link::Listening { backlog, .. } => *backlog = limit,
                Link::None if nameless => return Err(Error::InvalidArgument),
                Link::None => {
                    state.link = Link::Listening {
                        backlog: limit,
                        waiting: VecDeque::new(),
                    }
                }
                Link::Peer { .. } => return Err(Error::InvalidArgument),
            }
        }
        self.refresh(Ready::empty());
        Ok(())
    }

    fn is_listening(&self) -> bool {
        matches!(self.state.lock().link, Link::Listening { .. })
    }

    fn connect(&self, address: Option<&Address>) -> Result<Progress> {
        let address = match address {
            None if self.is_datagram() => {
                self.state.lock().link = Link::None;
                self.refresh(Ready::empty());
                return Ok(Progress::Done);
            }
            None => return Err(Error::NotSupported),
            Some(Address::Unix(address)) => address,
            Some(_) => return Err(Error::WrongFamily),
        };
        if !self.is_datagram() {
            return self.connect_stream(address);
        }
        let peer = self.names.find(address)?;
        if peer.kind != self.kind {
            return Err(Error::WrongType);
        }
        let link = self.link_to(&peer);
        self.state.lock().link = link;
        self.refresh(Ready::empty());
        Ok(Progress::Done)
    }

    fn accept(&self) -> Result<Accepted> {
        if self.is_datagram() {
            return Err(Error::NotSupported);
        }
        let next = match &mut self.state.lock().link {
            Link::Listening { waiting, .. } => waiting.pop_front(),
            _ => return Err(Error::InvalidArgument),
        };
        self.refresh(Ready::empty());
        self.feed_starved();
        let socket = next.ok_or(Error::WouldBlock)?;
        let peer = socket
            .peer_address()
            .unwrap_or(Address::Unix(UnixAddress::Unnamed));
        Ok(Accepted { socket, peer })
    }

    fn local_address(&self) -> Address {
        Address::Unix(self.address())
    }

    fn peer_address(&self) -> Result<Address> {
        match &self.state.lock().link {
            Link::Peer { address, .. } => Ok(Address::Unix(address.clone())),
            _ => Err(Error::NotConnected),
        }
    }

    fn peer_credentials(&self) -> Result<Credentials> {
        match &self.state.lock().link {
            Link::Peer { credentials, .. } => Ok(*credentials),
            _ => Ok(Credentials {
                process: 0,
                user: u32::MAX,
                group: u32::MAX,
            }),
        }
    }

    fn send(&self, data: &mut dyn ByteSource, message: Message<'_>) -> Result<usize> {
        let Sending { limit, stuck, peer } = self.prepare_send()?;
        let target = match (self.is_datagram(), message.to) {
            (true, to) => self.destination(to)?,
            (false, Some(_)) if peer.is_ok() => return Err(Error::AlreadyConnected),
            (false, Some(_)) => return Err(Error::NotSupported),
            (false, None) => peer?.ok_or(Error::BrokenPipe)?,
        };
        let mut ancillary = message.ancillary;
        let sender = ancillary.credentials.take().unwrap_or(self.creator);
        if self.mode == Mode::Stream && data.remaining() == 0 {
            return Ok(0);
        }
        let mut sent = self.send_piece(&target, data, &mut ancillary, sender, limit)?;
        while self.mode == Mode::Stream && data.remaining() > 0 {
            match self.send_piece(&target, data, &mut ancillary, sender, limit) {
                Ok(count @ 1..) => sent += count,
                _ => break,
            }
        }
        if stuck && data.remaining() == 0 {
            self.unstick();
        }
        Ok(sent)
    }

    fn receive(&self, data: &mut dyn ByteSink, peek: bool) -> Result<Received> {
        let pass_credentials = {
            let state = self.state.lock();
            match &state.link {
                Link::Listening { .. } => return Err(Error::InvalidArgument),
                Link::None if !self.is_datagram() => return Err(Error::NotConnected),
                _ => state.options.pass_credentials,
            }
        };
        if self.mode == Mode::Stream && data.remaining() == 0 {
            return Ok(Received::default());
        }
        let outcome = self.queue.receive(data, peek);
        if matches!(outcome, Err(Error::WouldBlock) | Ok(None)) {
            self.take_pending_error()?;
        }
        let Some((mut received, sender)) = outcome? else {
            return Ok(Received::default());
        };
        if pass_credentials {
            received.ancillary.credentials = Some(sender);
        }
        self.taken();
        Ok(received)
    }

    fn shutdown(&self, how: Shutdown) -> Result<()> {
        let peer = self.peer()?;
        if how.reads() {
            self.queue.finish();
            self.feed_starved();
        }
        if how.writes() {
            self.state.lock().mute = true;
            if let Some(peer) = peer.filter(|_| !self.is_datagram()) {
                peer.queue.finish();
                peer.refresh(Ready::READ);
            }
        }
        self.refresh(Ready::empty());
        Ok(())
    }

    fn receivable(&self) -> usize {
        self.queue.next_length()
    }

    fn unsent(&self) -> usize {
        self.target().map_or(0, |target| target.queue.level().bytes)
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let (address, link) = {
            let mut state = self.state.lock();
            (
                state.address.clone(),
                core::mem::replace(&mut state.link, Link::None),
            )
        };
        // An accepted socket shows its listener's name but does not own it.
        if self.names.owns(&address, &self.me) {
            self.names.unbind(&address);
        }
        let lost = self.mode == Mode::Stream && self.queue.level().bytes > 0;
        self.queue.break_off();
        if let Link::Peer { socket, .. } = link
            && !self.is_datagram()
            && let Some(peer) = socket.upgrade()
        {
            peer.peer_closed(lost);
        }
        self.feed_starved();
    }
}
