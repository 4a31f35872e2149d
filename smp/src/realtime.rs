//! The real-time class: strict priorities, first come first served within one.
//!
//! Private to its CPU: a real-time thread is never offered on the shelf. A bitmap finds the
//! highest priority in constant time.

use alloc::boxed::Box;
use core::ptr;

use intrusive_collections::{LinkedList, LinkedListLink, UnsafeRef, intrusive_adapter};

use percpu::CpuId;

use crate::held::Held;
use crate::ordered::body_of;
use crate::roamers::{MAX_LOOKS, Roamers, roams};
use crate::thread::{Thread, Waiting};

/// Real-time priorities are 1..=99; 0 stands for the fair class.
pub(crate) const MAX_PRIORITY: u8 = 99;
/// The most threads for whom another CPU is sought at a time.
const MAX_GOALS: usize = 16;
/// The turn of a `Policy::RoundRobin` thread.
pub const TURN_NS: u64 = 100_000_000;

intrusive_adapter!(pub(crate) Turn = UnsafeRef<Thread>: Thread { turn_link => LinkedListLink });

/// The real-time queue of one CPU. Owner only.
pub(crate) struct RealtimeQueue {
    cpu: CpuId,
    /// Bit p: list p is not empty.
    occupied: u128,
    lists: Box<[LinkedList<Turn>]>,
    len: usize,
    roamers: Roamers,
}

impl RealtimeQueue {
    /// Of `cpu`, which may be the only one.
    pub fn new(cpu: CpuId, alone: bool) -> Self {
        let lists = (0..=MAX_PRIORITY).map(|_| LinkedList::new(Turn::new()));
        Self {
            cpu,
            occupied: 0,
            lists: lists.collect(),
            len: 0,
            roamers: Roamers::new(alone),
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

    /// The thread that would run next.
    pub fn first(&self) -> Option<&Thread> {
        self.lists[usize::from(self.top())].front().get()
    }

    /// Queues behind its equals, or before them when it was preempted before its turn ended.
    pub fn insert(&mut self, thread: Held, priority: u8, in_front: bool) {
        thread.set_waiting(self.cpu, Some(Waiting::Realtime(priority)));
        thread.body(|body| self.roamers.add(&thread, body));
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

    /// The affinity of a thread that waits here has changed.
    pub fn look_again(&mut self, thread: &Thread) {
        body_of(thread, |body| {
            self.roamers.remove(body);
            self.roamers.add(thread, body);
        });
    }

    /// Those that wait here and could wait elsewhere.
    pub fn roamers(&self) -> &Roamers {
        &self.roamers
    }

    /// Takes the most urgent thread that `goal` finds a CPU for, of the first few that roam.
    pub fn take_for(
        &mut self,
        goal: impl Fn(&Thread, u8) -> Option<CpuId>,
    ) -> Option<(Held, CpuId)> {
        let by_urgency = (1..=MAX_PRIORITY).rev();
        let occupied = by_urgency.filter(|&priority| self.occupied >> priority & 1 != 0);
        let threads = occupied.flat_map(|priority| {
            let waiting = self.lists[usize::from(priority)].iter();
            waiting.map(move |thread| (thread, priority))
        });
        let roamers = threads.take(MAX_LOOKS).filter(|(thread, _)| roams(thread));
        let found = roamers.take(MAX_GOALS).find_map(|(thread, priority)| {
            let target = goal(thread, priority)?;
            Some((ptr::from_ref(thread), priority, target))
        });
        let (thread, priority, target) = found?;
        // SAFETY: it was just found in this very list.
        Some((unsafe { self.unlink(&*thread, priority) }, target))
    }

    /// Takes the first of the highest priority.
    #[inline]
    pub fn pop(&mut self) -> Option<Held> {
        if self.occupied == 0 {
            return None;
        }
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
        let thread = unsafe { Held::assume(UnsafeRef::into_raw(thread)) };
        thread.body(|body| self.roamers.remove(body));
        thread
    }
}
