//! Those of a line who are owed time, by deadline.
//!
//! A new request is mostly due after all that were made before. So there is a list in ascending
//! order, at whose end nearly everybody queues up, and a tree for those who are due before the end
//! of the list: O(1) mostly, O(log n) always, and no dearer with a thousand threads than with two.

use intrusive_collections::{LinkedList, UnsafeRef};

use crate::ordered::{ByDeadline, NOBODY, Ordered, body_of};
use crate::realtime::Turn;
use crate::thread::Thread;

/// Owner only, as are the threads in it. A deadline does not change while its thread is in here.
pub(crate) struct Ascending {
    list: LinkedList<Turn>,
    /// The deadline at the head of the list, [`NOBODY`] when that is empty.
    head: u64,
    others: Ordered<ByDeadline>,
}

#[inline(always)]
fn deadline_of(thread: Option<&Thread>) -> Option<u64> {
    thread.map(|thread| body_of(thread, |body| body.share.deadline))
}

impl Ascending {
    pub fn new() -> Self {
        Self {
            list: LinkedList::new(Turn::new()),
            head: NOBODY,
            others: Ordered::new(),
        }
    }

    /// The earliest deadline; [`NOBODY`] when empty.
    #[inline(always)]
    pub fn least(&self) -> u64 {
        self.head.min(self.others.least())
    }

    #[inline(always)]
    pub fn insert(&mut self, thread: UnsafeRef<Thread>) {
        let deadline = body_of(&thread, |body| body.share.deadline);
        match deadline_of(self.list.back().get()) {
            Some(last) if deadline < last => return self.others.insert(thread),
            Some(_) => {}
            None => self.head = deadline,
        }
        self.list.push_back(thread);
    }

    #[inline(always)]
    pub fn take_first(&mut self) -> Option<UnsafeRef<Thread>> {
        if self.others.least() < self.head {
            return self.others.take_first();
        }
        let first = self.list.pop_front();
        self.find_head();
        first
    }

    /// # Safety
    /// The thread is in here.
    pub unsafe fn unlink(&mut self, thread: &Thread) -> Option<UnsafeRef<Thread>> {
        if !thread.turn_link.is_linked() {
            // SAFETY: not in the list, hence in the tree.
            return unsafe { self.others.unlink(thread) };
        }
        // SAFETY: linked, and what is in here is in no other list.
        let taken = unsafe { self.list.cursor_mut_from_ptr(thread) }.remove();
        self.find_head();
        taken
    }

    #[inline(always)]
    fn find_head(&mut self) {
        self.head = deadline_of(self.list.front().get()).unwrap_or(NOBODY);
    }

    /// First the list, then the tree; each in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Thread> {
        self.list.iter().chain(self.others.iter())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::spec::ThreadSpec;
    use crate::thread::{ThreadId, ThreadRef};
    use alloc::vec::Vec;

    fn threads(deadlines: &[u64]) -> Vec<ThreadRef> {
        let thread = |(tid, &deadline): (usize, &u64)| {
            let id = ThreadId {
                tid: tid as u32 + 1,
                generation: 1,
            };
            let thread = ThreadRef::new(id, ThreadSpec::new("due", || {}));
            body_of(&thread, |body| body.share.deadline = deadline);
            thread
        };
        deadlines.iter().enumerate().map(thread).collect()
    }

    fn filled(threads: &[ThreadRef]) -> Ascending {
        let mut queue = Ascending::new();
        for thread in threads {
            // SAFETY: alive, and in no queue.
            queue.insert(unsafe { UnsafeRef::from_raw(&**thread) });
        }
        queue
    }

    fn drain(queue: &mut Ascending) -> Vec<u64> {
        let mut order = Vec::new();
        while let Some(thread) = queue.take_first() {
            order.extend(deadline_of(Some(&thread)));
            assert!(order.last() <= Some(&queue.least()));
        }
        assert_eq!(queue.least(), NOBODY);
        order
    }

    #[test]
    fn whatever_the_order_they_come_in_the_earliest_goes_first() {
        let threads = threads(&[5, 7, 6, 7, 1, 9, 3, 8, 9]);
        let mut queue = filled(&threads);
        assert_eq!(queue.least(), 1);
        assert_eq!(drain(&mut queue), [1, 3, 5, 6, 7, 7, 8, 9, 9]);
    }

    #[test]
    fn any_one_can_be_taken_out() {
        for gone in 0..5 {
            let threads = threads(&[4, 6, 2, 8, 3]);
            let mut queue = filled(&threads);
            // SAFETY: in this queue.
            unsafe { queue.unlink(&threads[gone]) }.expect("it is in here");
            let mut left = [4, 6, 2, 8, 3].to_vec();
            left.remove(gone);
            left.sort();
            assert_eq!(drain(&mut queue), left);
        }
    }
}
