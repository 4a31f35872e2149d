//! Who may enter, and what an entered connection may ask for.
//!
//! Each session channel becomes a task of its own (`session.rs`) that sees the same requests
//! as the handler here; the handler only sends the replies.

use crate::{program, session};
use russh::keys::{HashAlg, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, Error, Pty};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;

const USER: &str = "root";
/// Input that programs have not read yet, above which the client is slowed down.
const QUEUE_LIMIT: usize = 4 << 20;

pub struct Login {
    peer: SocketAddr,
    authorized: Arc<Vec<PublicKey>>,
    entered: watch::Sender<bool>,
    /// Bytes received for this connection's programs and not yet written to them.
    queued: Arc<AtomicUsize>,
}

impl Login {
    pub fn new(peer: SocketAddr, authorized: Arc<Vec<PublicKey>>) -> Self {
        Self {
            peer,
            authorized,
            entered: watch::Sender::new(false),
            queued: Arc::default(),
        }
    }

    /// Turns true when somebody has logged in; closes with the connection.
    pub fn entered(&self) -> watch::Receiver<bool> {
        self.entered.subscribe()
    }

    fn may_enter(&self, user: &str, key: &PublicKey) -> bool {
        let fits = user == USER
            && self
                .authorized
                .iter()
                .any(|known| known.key_data() == key.key_data());
        if !fits {
            let print = key.fingerprint(HashAlg::Sha256);
            eprintln!("sshd: {}: refused {user:?} with key {print}", self.peer);
        }
        fits
    }
}

fn verdict(accept: bool) -> Auth {
    if accept { Auth::Accept } else { Auth::reject() }
}

impl Handler for Login {
    type Error = Error;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Error> {
        Ok(verdict(self.may_enter(user, offer.public_key)))
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Error> {
        Ok(verdict(self.may_enter(user, key.public_key)))
    }

    async fn auth_succeeded(&mut self, _: &mut Session) -> Result<(), Error> {
        self.entered.send_replace(true);
        eprintln!("sshd: {}: {USER} logged in", self.peer);
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Error> {
        reply.accept().await;
        tokio::spawn(session::run(
            channel,
            session.handle(),
            self.peer,
            Arc::clone(&self.queued),
        ));
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_success(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_success(channel)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_success(channel)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_success(channel)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        match program::subsystem(name) {
            Some(_) => session.channel_success(channel),
            None => session.channel_failure(channel),
        }
    }

    /// russh widens the window as data arrives, not as programs read it. Two bytes at a time
    /// hold a client back that is faster than its program, without ever stopping the
    /// connection: replies and other channels still pass.
    fn adjust_window(&mut self, _: ChannelId, _: u32) -> u32 {
        let crowded = self.queued.load(Ordering::Relaxed) > QUEUE_LIMIT;
        if crowded { 2 } else { 2 << 20 }
    }
}
