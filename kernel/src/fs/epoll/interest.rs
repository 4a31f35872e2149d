//! One epoll's interest in one open file.

use super::Request;
use super::ready_list::ReadyList;
use crate::fs::file::{File, PollEvents};
use crate::fs::open_file::OpenFile;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use smp::{Observer, SpinLock};

/// Observes the file on behalf of the epoll.
pub struct Interest {
    this: Weak<Interest>,
    file: Weak<OpenFile>,
    request: SpinLock<Request>,
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
            request: SpinLock::new(request),
            disarmed: AtomicBool::new(false),
            queued: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            list: list.clone(),
        })
    }

    pub(super) fn request(&self) -> Request {
        *self.request.lock()
    }

    pub(super) fn set_request(&self, request: Request) {
        *self.request.lock() = request;
        self.disarmed.store(false, Ordering::Release);
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
