//! The real-time class: strict priorities, first come first served within one.
//!
//! Private to its CPU: a real-time thread is never offered on the shelf. A bitmap finds the
//! highest priority in constant time.

use alloc::boxed::Box;

use intrusive_collections::{LinkedList, LinkedListLink, UnsafeRef, intrusive_adapter};

use percpu::CpuId;

use crate::held::Held;
use crate::thread::{Thread, Waiting};

/// Real-time priorities are 1..=99; 0 stands for the fair class.
pub(crate) const MAX_PRIORITY: u8 = 99;
/// The turn of a `Policy::RoundRobin` thread.
pub(crate) const TURN_NS: u64 = 100_000_000;

intrusive_adapter!(Turn = UnsafeRef<Thread>: Thread { turn_link => LinkedListLink });

/// The real-time queue of one CPU. Owner only.
pub(crate) struct RealtimeQueue {
    cpu: CpuId,
    /// Bit p: list p is not empty.
    occupied: u128,
    lists: Box<[LinkedList<Turn>]>,
    len: usize,
}

impl RealtimeQueue {
    pub fn new(cpu: CpuId) -> Self {
        let lists = (0..=MAX_PRIORITY).map(|_| LinkedList::new(Turn::new()));
        Self {
            cpu,
            occupied: 0,
            lists: lists.collect(),
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The highest priority that waits; 0 when none does.
    pub fn top(&self) -> u8 {
        match self.occupied {
            0 => 0,
            bits => (127 - bits.leading_zeros()) as u8,
        }
    }

    /// Queues behind its equals, or before them when it was preempted before its turn ended.
    pub fn insert(&mut self, thread: Held, priority: u8, in_front: bool) {
        thread.set_waiting(self.cpu, Some(Waiting::Realtime(priority)));
        let list = &mut self.lists[usize::from(priority)];
        // SAFETY: held, so in no list, and it stays alive and put until it is taken out.
        let thread = unsafe { UnsafeRef::from_raw(thread.into_raw()) };
        if in_front {
            list.push_front(thread);
        } else {
            list.push_back(thread);
        }
        self.occupied |= 1 << priority;
        self.len += 1;
    }

    /// Takes the first of the highest priority.
    pub fn pop(&mut self) -> Option<Held> {
        let priority = self.top();
        let thread = self.lists[usize::from(priority)].pop_front()?;
        Some(self.taken(thread, priority))
    }

    /// Takes one particular thread out.
    ///
    /// # Safety
    /// The thread waits here, at `priority`.
    pub unsafe fn unlink(&mut self, thread: &Thread, priority: u8) -> Held {
        let list = &mut self.lists[usize::from(priority)];
        // SAFETY: it is in this very list, says the caller.
        let found = unsafe { list.cursor_mut_from_ptr(thread) }.remove();
        self.taken(found.expect("it waits in this list"), priority)
    }

    fn taken(&mut self, thread: UnsafeRef<Thread>, priority: u8) -> Held {
        thread.set_waiting(self.cpu, None);
        self.len -= 1;
        if self.lists[usize::from(priority)].is_empty() {
            self.occupied &= !(1 << priority);
        }
        // SAFETY: just taken out of the list, which held it.
        unsafe { Held::assume(UnsafeRef::into_raw(thread)) }
    }
}
