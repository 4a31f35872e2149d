//! Threads that leave the queue for another CPU, or because something about them changes.

use core::ptr;

use intrusive_collections::UnsafeRef;
use percpu::CpuId;

use super::FairQueue;
use crate::body::Body;
use crate::held::Held;
use crate::ordered::body_of;
use crate::roamers::{MAX_LOOKS, roams};
use crate::shelf::{SLOTS, Shelf};
use crate::thread::{Thread, Waiting};

impl FairQueue {
    /// Takes back the offer of one particular thread, if it was offered and nobody claimed it.
    pub fn withdraw(&mut self, thread: &Thread, shelf: &Shelf) -> Option<Held> {
        self.offers.withdraw(thread.id(), shelf)
    }

    /// Takes a thread that may run on `target` and whose weight `suits`, from the end of the queue
    /// if there is a choice.
    /// One that was stolen too: what it was stolen for may have turned into a long wait.
    pub fn take_for(
        &mut self,
        target: CpuId,
        shelf: &Shelf,
        suits: impl Fn(u64) -> bool,
    ) -> Option<Held> {
        let fits = |thread: &Thread| body_of(thread, |body| suits(body.share.weight()));
        let found = self.movable.find_last(SLOTS, fits).map(ptr::from_ref);
        if let Some(thread) = found {
            // SAFETY: it was just found in this very line.
            return Some(unsafe { self.unlink(&*thread, Waiting::Movable) });
        }
        if let Some(thread) = self.offers.take_last(shelf, &suits) {
            return Some(thread);
        }
        self.take_kept(|thread| thread.may_run_on(target) && fits(thread))
    }

    /// Takes a thread that may run on `target`, has been here since `since_ns` or longer, and
    /// whose weight `suits`.
    pub fn take_eldest(
        &mut self,
        since_ns: u64,
        target: CpuId,
        shelf: &Shelf,
        suits: impl Fn(u64) -> bool,
    ) -> Option<Held> {
        let offered = self.offers.take_eldest(since_ns, shelf, &suits);
        let settled = |body: &mut Body| {
            !body.stolen && body.arrived_ns <= since_ns && suits(body.share.weight())
        };
        let fits = |thread: &Thread| thread.may_run_on(target) && body_of(thread, settled);
        offered.or_else(|| self.take_kept(fits))
    }

    /// Takes one of those that are not offered, the restricted and the stolen: the first of a few
    /// that fits.
    pub fn take_kept(&mut self, fits: impl Fn(&Thread) -> bool) -> Option<Held> {
        if self.roamers.is_empty() {
            return None;
        }
        let roamers = self
            .kept
            .iter()
            .take(MAX_LOOKS)
            .filter(|thread| roams(thread));
        let found = roamers.take(SLOTS).find(|thread| fits(thread));
        let thread = found.map(ptr::from_ref)?;
        // SAFETY: it was just found in this very line.
        Some(unsafe { self.unlink(&*thread, Waiting::Kept) })
    }

    /// Takes a thread out of the line it is in.
    ///
    /// # Safety
    /// The thread is in this queue's line `place`.
    pub unsafe fn unlink(&mut self, thread: &Thread, place: Waiting) -> Held {
        let line = match place {
            Waiting::Movable => &mut self.movable,
            _ => &mut self.kept,
        };
        // SAFETY: it is in this very line, says the caller.
        let thread = unsafe { line.unlink(thread) };
        self.taken(thread)
    }

    pub(super) fn taken(&mut self, thread: UnsafeRef<Thread>) -> Held {
        thread.set_waiting(self.cpu, None);
        // SAFETY: just taken out of the line, which held it.
        let thread = unsafe { Held::assume(UnsafeRef::into_raw(thread)) };
        self.lined -= 1;
        thread.body(|body| {
            self.lined_weight -= body.share.weight();
            self.roamers.remove(body);
        });
        thread
    }
}
