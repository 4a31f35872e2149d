//! The interests that may be ready, in the order in which they became so.

use super::interest::Interest;
use crate::error::{Errno, Result};
use crate::fs::file::PollEvents;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use smp::{Observers, SpinLock, WaitQueue};

/// An epoll's ready list and who waits for it. Interests push from any context.
pub struct ReadyList {
    /// Has room for every interest of the epoll, so that a push never allocates.
    queue: SpinLock<VecDeque<Arc<Interest>>>,
    /// Of the queue; written under its lock.
    length: AtomicUsize,
    pub(super) waiters: WaitQueue,
    pub(super) observers: Observers,
    /// Some interest's file has gone away since this was last taken.
    dead: AtomicBool,
}

impl ReadyList {
    pub(super) fn new() -> Self {
        Self {
            queue: SpinLock::new(VecDeque::new()),
            length: AtomicUsize::new(0),
            waiters: WaitQueue::new(),
            observers: Observers::new(),
            dead: AtomicBool::new(false),
        }
    }

    /// Makes room for `count` interests in all.
    pub(super) fn reserve(&self, count: usize) -> Result<()> {
        if self.queue.lock().capacity() >= count {
            return Ok(());
        }
        // Allocated outside the lock; withdrawn interests may still be on the list.
        let mut larger = VecDeque::new();
        larger
            .try_reserve(count.max(8) * 2)
            .map_err(|_| Errno::ENOMEM)?;
        let mut queue = self.queue.lock();
        larger.extend(queue.drain(..));
        core::mem::swap(&mut *queue, &mut larger);
        drop(queue);
        Ok(())
    }

    /// Puts `interest` on the list unless it is there, and tells whoever waits. Any context.
    pub(super) fn push(&self, interest: &Arc<Interest>) {
        self.push_quietly(interest);
        self.waiters.wake_one();
        self.observers
            .notify((PollEvents::IN | PollEvents::RDNORM).bits());
    }

    /// The same without telling.
    pub(super) fn push_quietly(&self, interest: &Arc<Interest>) {
        if !interest.queued.swap(true, Ordering::AcqRel) {
            let mut queue = self.queue.lock();
            queue.push_back(interest.clone());
            self.length.store(queue.len(), Ordering::Release);
        }
    }

    /// Takes the oldest. Look at its file only afterwards: what happens to the file from now on
    /// puts the interest back on the list.
    pub(super) fn pop(&self) -> Option<Arc<Interest>> {
        let mut queue = self.queue.lock();
        let interest = queue.pop_front()?;
        self.length.store(queue.len(), Ordering::Release);
        drop(queue);
        // Pairs with the swap in `push_quietly`: either that one pushes, or this one sees what it
        // was about.
        interest.queued.swap(false, Ordering::AcqRel);
        Some(interest)
    }

    /// Whether `ready` holds for any interest on the list. It may sleep.
    pub(super) fn any(&self, mut ready: impl FnMut(&Arc<Interest>) -> bool) -> bool {
        let mut index = 0;
        loop {
            let interest = self.queue.lock().get(index).cloned();
            match interest {
                None => return false,
                Some(interest) if ready(&interest) => return true,
                Some(_) => index += 1,
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.length.load(Ordering::Acquire)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn clear(&self) {
        let mut queue = self.queue.lock();
        let interests = core::mem::take(&mut *queue);
        self.length.store(0, Ordering::Release);
        drop(queue);
        drop(interests);
    }

    pub(super) fn note_dead(&self) {
        self.dead.store(true, Ordering::Release);
    }

    pub(super) fn take_dead(&self) -> bool {
        self.dead.swap(false, Ordering::AcqRel)
    }
}
