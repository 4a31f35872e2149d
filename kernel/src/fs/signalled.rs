//! Signal-driven I/O: an open file whose readiness is told by a signal (`O_ASYNC` and `F_SETOWN`,
//! fcntl(2)).

mod kind;
mod recipient;
mod told;

use super::Fd;
use super::file::{File, PollEvents};
use crate::error::{Errno, Result};
use crate::process::{Credentials, Signal};
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering::Relaxed};
use recipient::Recipient;
use smp::{Mutex, Observer, SpinLock};

pub use recipient::Owner;

/// An open file's part in it.
pub struct Signalled {
    this: Weak<Signalled>,
    recipient: SpinLock<Recipient>,
    /// The descriptor that it was turned on through, for the signal to tell.
    fd: AtomicI32,
    /// What there is a signal for.
    wanted: AtomicU32,
    /// Whether it observes the file.
    on: Mutex<bool>,
    /// What has happened and the owner has yet to be told, and its place on that list: `told`'s.
    told: AtomicU32,
    next: SpinLock<Option<Arc<Signalled>>>,
}

impl Signalled {
    pub fn new() -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            recipient: SpinLock::default(),
            fd: AtomicI32::new(0),
            wanted: AtomicU32::new(0),
            on: Mutex::new(false),
            told: AtomicU32::new(0),
            next: SpinLock::new(None),
        })
    }

    pub fn owner(&self) -> Owner {
        self.recipient.lock().owner.clone()
    }

    pub fn set_owner(&self, owner: Owner, sender: Arc<Credentials>) {
        let mut recipient = self.recipient.lock();
        let old = core::mem::replace(&mut recipient.owner, owner);
        let former = recipient.sender.replace(sender);
        drop(recipient);
        drop((old, former));
    }

    pub fn signal(&self) -> Option<Signal> {
        self.recipient.lock().signal
    }

    pub fn set_signal(&self, signal: Option<Signal>) {
        self.recipient.lock().signal = signal;
    }

    /// Tells of `wanted` from now on, as descriptor `fd`, unless it does; `show` says so to others
    /// before anyone can turn it off.
    pub fn begin(
        self: &Arc<Self>,
        file: &Arc<dyn File>,
        (wanted, fd): (PollEvents, Fd),
        show: impl FnOnce(),
    ) -> Result<()> {
        let observers = file.observers().ok_or(Errno::ENOTTY)?;
        told::start()?;
        let mut on = self.on.lock();
        if !core::mem::replace(&mut *on, true) {
            self.fd.store(fd as i32, Relaxed);
            self.wanted.store(wanted.bits(), Relaxed);
            observers.add(self.clone());
            show();
        }
        Ok(())
    }

    /// The opposite.
    pub fn end(self: &Arc<Self>, file: &Arc<dyn File>, show: impl FnOnce()) {
        let mut on = self.on.lock();
        if core::mem::take(&mut *on)
            && let Some(observers) = file.observers()
        {
            let observer: Arc<dyn Observer> = self.clone();
            observers.remove(&observer);
            told::withdraw(self);
            show();
        }
    }

    /// Sends one signal for each of these kinds.
    fn tell(&self, kinds: u32) {
        let recipient = self.recipient.lock().clone();
        let fd = self.fd.load(Relaxed);
        kind::kinds(kinds).for_each(|kind| recipient.tell(kind, fd));
    }
}

impl Observer for Signalled {
    fn notify(&self, events: u32) {
        let wanted = PollEvents::from_bits_truncate(self.wanted.load(Relaxed));
        let happened = match PollEvents::from_bits_truncate(events) {
            // A file that does not say what happened means anything.
            events if events.is_empty() => wanted,
            events => events & wanted,
        };
        if let Some(kind) = kind::bit_of(happened) {
            told::push(self, kind);
        }
    }
}
