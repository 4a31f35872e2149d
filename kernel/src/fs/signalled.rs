//! Signal-driven I/O: an open file whose readiness is told by a signal (`O_ASYNC` and `F_SETOWN`,
//! fcntl(2)).

use super::Fd;
use super::file::{File, PollEvents};
use crate::error::{Errno, Result};
use crate::process::signal::{SigInfo, send_to_process, send_to_thread};
use crate::process::{Credentials, Process, Signal, Task, table};
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering::Relaxed};
use smp::{Mutex, Observer, SpinLock};

/// Who gets the signals.
#[derive(Clone, Default)]
pub enum Owner {
    #[default]
    Nobody,
    Thread(Weak<Task>),
    Process(Weak<Process>),
    Group(u32),
}

#[derive(Clone, Default)]
struct Recipient {
    owner: Owner,
    /// On whose behalf signals are sent.
    sender: Option<Arc<Credentials>>,
    /// Instead of `SIGIO`, and with details.
    signal: Option<Signal>,
}

/// An open file's part in it.
#[derive(Default)]
pub struct Signalled {
    recipient: SpinLock<Recipient>,
    /// The descriptor that it was turned on through, for the signal to tell.
    fd: AtomicI32,
    /// What there is a signal for.
    wanted: AtomicU32,
    /// Whether it observes the file.
    on: Mutex<bool>,
}

impl Signalled {
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

    /// Tells of `wanted` from now on, as descriptor `fd`.
    pub fn begin(self: &Arc<Self>, file: &Arc<dyn File>, wanted: PollEvents, fd: Fd) -> Result<()> {
        let observers = file.observers().ok_or(Errno::ENOTTY)?;
        self.fd.store(fd as i32, Relaxed);
        self.wanted.store(wanted.bits(), Relaxed);
        let mut on = self.on.lock();
        if !core::mem::replace(&mut *on, true) {
            observers.add(self.clone());
        }
        Ok(())
    }

    pub fn end(self: &Arc<Self>, file: &Arc<dyn File>) {
        let mut on = self.on.lock();
        if core::mem::take(&mut *on)
            && let Some(observers) = file.observers()
        {
            let observer: Arc<dyn Observer> = self.clone();
            observers.remove(&observer);
        }
    }
}

impl Observer for Signalled {
    fn notify(&self, events: u32) {
        let wanted = PollEvents::from_bits_truncate(self.wanted.load(Relaxed));
        let told = match PollEvents::from_bits_truncate(events) {
            // A file that does not say what happened means anything.
            told if told.is_empty() => wanted,
            told => told & wanted,
        };
        if let Some((code, band)) = details(told) {
            let recipient = self.recipient.lock().clone();
            recipient.tell(code, band, self.fd.load(Relaxed));
        }
    }
}

/// `si_code` and `si_band` (sigaction(2)); the first thing to tell counts.
fn details(events: PollEvents) -> Option<(i32, PollEvents)> {
    const IN: PollEvents = PollEvents::IN.union(PollEvents::RDNORM);
    const OUT: PollEvents = PollEvents::OUT.union(PollEvents::WRNORM);
    const ERROR: PollEvents = PollEvents::ERR;
    const HANG_UP: PollEvents = PollEvents::HUP.union(PollEvents::ERR);
    let kinds = [(1, IN), (2, OUT), (4, ERROR), (6, HANG_UP)];
    kinds.into_iter().find(|(_, kind)| events.intersects(*kind))
}

impl Recipient {
    fn tell(&self, code: i32, band: PollEvents, fd: i32) {
        let info = match self.signal {
            Some(signal) => SigInfo::poll(signal, code, band.bits().into(), fd),
            None => SigInfo::kernel(Signal::IO),
        };
        match &self.owner {
            Owner::Nobody => {}
            Owner::Thread(task) => {
                if let Some(task) = task.upgrade().filter(|task| self.may_signal(task)) {
                    or_plain(info, |info| send_to_thread(&task, info));
                }
            }
            Owner::Process(process) => {
                if let Some(process) = process.upgrade() {
                    self.tell_process(&process, info);
                }
            }
            Owner::Group(group) => {
                table::group(*group).for_each(|process| self.tell_process(&process, info));
            }
        }
    }

    fn tell_process(&self, process: &Arc<Process>, info: SigInfo) {
        if process
            .first_thread()
            .is_some_and(|task| self.may_signal(&task))
        {
            or_plain(info, |info| send_to_process(process, info));
        }
    }

    fn may_signal(&self, task: &Arc<Task>) -> bool {
        let target = task.credentials();
        let sender = self.sender.as_ref();
        sender.is_some_and(|sender| sender.may_signal(&target))
    }
}

/// Where there is no room for the details, at least `SIGIO` comes.
fn or_plain(info: SigInfo, send: impl Fn(SigInfo) -> Result<()>) {
    if send(info).is_err() {
        // A full queue keeps standard signals.
        let _ = send(SigInfo::kernel(Signal::IO));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_is_told_first() {
        let code = |events| details(events).map(|(code, _)| code);
        assert_eq!(code(PollEvents::HUP | PollEvents::IN), Some(1));
        assert_eq!(code(PollEvents::WRNORM | PollEvents::ERR), Some(2));
        assert_eq!(code(PollEvents::HUP), Some(6));
        assert_eq!(code(PollEvents::empty()), None);
    }
}
