//! How UNIX stream and packet sockets find each other, and how they part.

use super::{Link, UnixSocket};
use crate::{Error, Progress, Ready, Result, UnixAddress};
use alloc::sync::Arc;

impl UnixSocket {
    /// The other end is gone; `lost` when it had not read everything.
    pub(super) fn peer_closed(&self, lost: bool) {
        self.queue.finish();
        {
            let mut state = self.state.lock();
            state.mute = true;
            if lost {
                state.error = Some(Error::ConnectionReset);
            }
        }
        self.refresh(Ready::READ);
        self.feed_starved();
    }

    pub(super) fn connect_stream(&self, address: &UnixAddress) -> Result<Progress> {
        let listener = self.names.find(address)?;
        if listener.kind != self.kind {
            return Err(Error::WrongType);
        }
        let me = self.me.upgrade().ok_or(Error::NotConnected)?;
        if !matches!(self.state.lock().link, Link::None) {
            return Err(Error::AlreadyConnected);
        }
        let link = Link::Peer {
            socket: self.me.clone(),
            address: self.address(),
            credentials: self.creator,
        };
        let server = Self::linked(
            self.names.clone(),
            self.kind,
            listener.creator,
            listener.address(),
            link,
        );
        listener
            .enqueue(&server)
            .inspect_err(|_| server.forget_peer())
            .map_err(|error| match error {
                Error::WouldBlock => self.stick(&listener),
                error => error,
            })?;
        self.unstick();
        self.state.lock().link = me.link_to(&server);
        self.refresh(Ready::empty());
        // Only now may the server see it.
        listener.refresh(Ready::READ);
        Ok(Progress::Done)
    }

    /// The connection never came about: dropping this end must not reset the other.
    pub(super) fn forget_peer(&self) {
        self.state.lock().link = Link::None;
    }

    pub(super) fn enqueue(&self, server: &Arc<UnixSocket>) -> Result<()> {
        match &mut self.state.lock().link {
            Link::Listening { backlog, waiting } if waiting.len() > *backlog => {
                Err(Error::WouldBlock)
            }
            Link::Listening { waiting, .. } => {
                waiting.push_back(server.clone());
                Ok(())
            }
            _ => Err(Error::ConnectionRefused),
        }
    }
}
