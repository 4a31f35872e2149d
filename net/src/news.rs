//! What waits to be told until a stack's lock is released: whoever is woken earlier may preempt its
//! waker, only to find the stack locked and to sleep again.

use crate::Ready;
use crate::stack::Stack;
use crate::tcp::Channel;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};
use smp::{Mutex, MutexGuard};

/// Published, but not told yet. Tells when dropped.
#[derive(Default)]
pub(crate) struct News(Vec<Item>);

struct Item {
    channel: Arc<Channel>,
    events: Ready,
    state_changed: bool,
}

impl News {
    /// The channel is newly ready for `events`; after a change of state its waiters are to look even
    /// if that is nothing.
    pub fn add(&mut self, channel: &Arc<Channel>, events: Ready, state_changed: bool) {
        if state_changed || !events.is_empty() {
            self.0.push(Item {
                channel: channel.clone(),
                events,
                state_changed,
            });
        }
    }
}

impl Drop for News {
    fn drop(&mut self) {
        for item in &self.0 {
            let readiness = &item.channel.readiness;
            if item.state_changed {
                readiness.waiters.wake_all();
            }
            readiness.tell(item.events);
        }
    }
}

/// A locked stack. Its fields are dropped in their order: first it is unlocked, then the news told.
#[must_use = "the stack is unlocked when the guard is dropped"]
pub(crate) struct StackGuard<'a> {
    stack: MutexGuard<'a, Stack>,
    news: News,
}

impl<'a> StackGuard<'a> {
    pub fn lock(stack: &'a Mutex<Stack>) -> Self {
        Self {
            stack: stack.lock(),
            news: News::default(),
        }
    }
}

impl Deref for StackGuard<'_> {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}

impl DerefMut for StackGuard<'_> {
    fn deref_mut(&mut self) -> &mut Stack {
        &mut self.stack
    }
}

impl Drop for StackGuard<'_> {
    fn drop(&mut self) {
        self.news = core::mem::take(&mut self.stack.news);
    }
}
