//! One epoll's interest in one open file.

use super::ready_list::ReadyList;
use super::{Request, Style};
use crate::fs::file::{File, PollEvents};
use crate::fs::open_file::OpenFile;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use smp::{Observer, SpinLock};

/// Observes the file on behalf of the epoll.
pub struct Interest {
    this: Weak<Interest>,
    file: Weak<OpenFile>,
    /// Events in the low half, style in the high one; with `data` changed and read under the lock
    /// of the epoll's interests. Notifications look at the events alone.
    wanted: AtomicU64,
    data: AtomicU64,
    /// A one-shot that was reported.
    disarmed: AtomicBool,
    /// Whether it is on the ready list: set by whoever puts it there.
    pub(super) queued: AtomicBool,
    /// No longer in the epoll, or its file is gone: notifications mean nothing.
    retired: AtomicBool,
    list: Arc<ReadyList>,
}

impl Interest {
    pub(super) fn new(file: &Arc<OpenFile>, request: Request, list: &Arc<ReadyList>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            file: Arc::downgrade(file),
            wanted: AtomicU64::new(wanted_word(request)),
            data: AtomicU64::new(request.data),
            disarmed: AtomicBool::new(false),
            queued: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            list: list.clone(),
        })
    }

    pub(super) fn request(&self) -> Request {
        let wanted = self.wanted.load(Ordering::Acquire);
        Request {
            events: PollEvents::from_bits_truncate(wanted as u32),
            style: Style::from_bits_truncate((wanted >> 32) as u32),
            data: self.data.load(Ordering::Relaxed),
        }
    }

    pub(super) fn set_request(&self, request: Request) {
        self.data.store(request.data, Ordering::Relaxed);
        self.wanted.store(wanted_word(request), Ordering::Release);
        self.disarmed.store(false, Ordering::Release);
        // Pairs with the fence of `Observers::notify`: either whoever makes the file ready sees the
        // new request, or our caller, who looks at the file now, sees that it is ready.
        fence(Ordering::SeqCst);
    }

    pub(super) fn disarm(&self) {
        self.disarmed.store(true, Ordering::Release);
    }

    pub(super) fn is_disarmed(&self) -> bool {
        self.disarmed.load(Ordering::Acquire)
    }

    /// The open file; `None` once it is closed, or the interest withdrawn.
    pub(super) fn file(&self) -> Option<Arc<OpenFile>> {
        if self.retired.load(Ordering::Acquire) {
            None
        } else {
            self.file.upgrade()
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.file().is_some()
    }

    pub(super) fn as_observer(self: &Arc<Self>) -> Arc<dyn Observer> {
        self.clone()
    }

    /// Stops observing `file`, which is this interest's.
    pub(super) fn retire(self: &Arc<Self>, file: &Arc<dyn File>) {
        self.retired.store(true, Ordering::Release);
        if let Some(observers) = file.observers() {
            observers.remove(&self.as_observer());
        }
    }
}

impl Observer for Interest {
    fn notify(&self, events: u32) {
        let told = PollEvents::from_bits_truncate(events);
        let wanted = self.request().events | PollEvents::ERR | PollEvents::HUP;
        // A file that does not say what happened means anything.
        let concerns = told.is_empty() || told.intersects(wanted);
        if !concerns || self.is_disarmed() || self.retired.load(Ordering::Acquire) {
            return;
        }
        if let Some(this) = self.this.upgrade() {
            self.list.push(&this);
        }
    }
}

fn wanted_word(request: Request) -> u64 {
    u64::from(request.events.bits()) | u64::from(request.style.bits()) << 32
}

/// The interests in one open file, which end with it.
pub struct Watchers(SpinLock<Vec<Arc<Interest>>>);

impl Watchers {
    pub const fn new() -> Self {
        Self(SpinLock::new(Vec::new()))
    }

    pub(super) fn insert(&self, interest: Arc<Interest>) {
        self.0.lock().push(interest);
    }

    pub(super) fn remove(&self, interest: &Arc<Interest>) {
        let mut interests = self.0.lock();
        let found = interests
            .iter()
            .position(|known| Arc::ptr_eq(known, interest));
        let removed = found.map(|index| interests.swap_remove(index));
        drop(interests);
        drop(removed);
    }

    /// The open file on `file` goes away.
    pub fn release(&self, file: &Arc<dyn File>) {
        for interest in core::mem::take(&mut *self.0.lock()) {
            interest.retire(file);
            interest.list.note_dead();
        }
    }
}

impl Default for Watchers {
    fn default() -> Self {
        Self::new()
    }
}
