//! Readiness of a UNIX socket, and senders that wait for room in their receiver's queue.

use super::{Link, UnixSocket};
use crate::unix::queue::Mode;
use crate::{Error, Ready};
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{Ordering, fence};

impl UnixSocket {
    /// Computes and publishes readiness; `events` are told about even if they were there before.
    pub(super) fn refresh(&self, events: Ready) {
        let refreshing = self.refreshing.lock();
        let mut ready = self.ready();
        if !ready.contains(Ready::WRITE)
            && let Some(target) = self.target()
        {
            // First on the list, then another look: room made meanwhile is seen or told about.
            let mut starved = target.starved.lock();
            if !starved.iter().any(|sender| sender.ptr_eq(&self.me)) {
                starved.push(self.me.clone());
            }
            drop(starved);
            target.starving.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            ready = self.ready();
        }
        let untold = self.readiness.note(ready, events);
        // Told under a spin lock the woken would look like woken by an interrupt (`smp/src/bulk.rs`).
        drop(refreshing);
        self.readiness.tell(untold);
    }

    /// A message has just been added to our queue.
    pub(super) fn received(&self) {
        let refreshing = self.refreshing.lock();
        self.readiness.add(Ready::READ);
        drop(refreshing);
        self.readiness.tell(Ready::READ);
    }

    /// A message has just been taken off our queue.
    pub(super) fn taken(&self) {
        let refreshing = self.refreshing.lock();
        self.readiness.set(Ready::READ, !self.queue.is_idle());
        drop(refreshing);
        self.feed_starved();
    }

    /// Where the room for our next send is.
    pub(super) fn target(&self) -> Option<Arc<UnixSocket>> {
        let state = self.state.lock();
        match (&state.stuck_at, &state.link) {
            (Some(stuck), _) => stuck.upgrade(),
            (None, Link::Peer { socket, .. }) => socket.upgrade(),
            _ => None,
        }
    }

    pub(super) fn ready(&self) -> Ready {
        let level = self.queue.level();
        let (mut ready, target) = (Ready::empty(), self.target());
        let state = self.state.lock();
        let (mute, limit, stuck) = (
            state.mute,
            state.options.send_buffer,
            state.stuck_at.is_some(),
        );
        ready.set(Ready::ERROR, state.error.is_some());
        let finished = level.finished || level.broken;
        let connected = match &state.link {
            Link::Listening { waiting, .. } => {
                ready.set(Ready::READ, !waiting.is_empty());
                return ready;
            }
            Link::None => self.is_datagram(),
            Link::Peer { .. } => true,
        };
        drop(state);
        ready.set(Ready::READ, level.messages > 0 || finished);
        ready.set(Ready::READ_HANG_UP, finished);
        ready.set(Ready::HANG_UP, !connected || finished && mute);
        ready.set(
            Ready::WRITE,
            mute || target.is_none_or(|target| target.has_room(limit, stuck)),
        );
        ready
    }

    /// Whether a sender with this buffer limit should try (again).
    pub(super) fn has_room(&self, limit: usize, stuck: bool) -> bool {
        if let Link::Listening { backlog, waiting } = &self.state.lock().link {
            return waiting.len() <= *backlog;
        }
        let level = self.queue.level();
        // One that found no room for a whole message waits until all is received: any fits then.
        let low = if stuck && self.mode == Mode::Messages {
            level.messages == 0
        } else {
            level.cost * 2 <= limit
        };
        low || level.finished || level.broken
    }

    /// Room was made here, or there is nobody any more to make it.
    pub(super) fn feed_starved(&self) {
        fence(Ordering::SeqCst);
        if !self.starving.swap(false, Ordering::Relaxed) {
            return;
        }
        let starved = core::mem::take(&mut *self.starved.lock());
        for sender in starved.iter().filter_map(Weak::upgrade) {
            sender.refresh(Ready::empty());
        }
    }

    pub(super) fn stick(&self, target: &Arc<UnixSocket>) -> Error {
        self.state.lock().stuck_at = Some(target.me.clone());
        self.refresh(Ready::empty());
        Error::WouldBlock
    }

    pub(super) fn unstick(&self) {
        self.state.lock().stuck_at = None;
        self.refresh(Ready::empty());
    }
}
