//! A tree of waiting threads that knows its first: that one is asked for several times at each
//! switch, which then costs a load however many wait.

use core::ptr;

use intrusive_collections::rbtree::{self, CursorMut};
use intrusive_collections::{
    Adapter, DefaultPointerOps, KeyAdapter, RBTree, RBTreeLink, UnsafeRef, intrusive_adapter,
};

use crate::body::Body;
use crate::thread::Thread;

/// The key of nobody: later than any.
pub(crate) const NOBODY: u64 = u64::MAX;

/// By what a tree is ordered, the least first.
pub(crate) trait Order:
    Adapter<LinkOps = rbtree::LinkOps, PointerOps = DefaultPointerOps<UnsafeRef<Thread>>>
    + for<'a> KeyAdapter<'a, Key = u64>
{
    fn adapter() -> Self;

    fn key(body: &Body) -> u64;
}

/// An order by one number of the thread's share.
macro_rules! order {
    ($name:ident, $field:ident) => {
        intrusive_adapter!(pub(crate) $name = UnsafeRef<Thread>: Thread { fair_link => RBTreeLink });

        impl<'a> KeyAdapter<'a> for $name {
            type Key = u64;

            fn get_key(&self, thread: &'a Thread) -> u64 {
                body_of(thread, |body| Self::key(body))
            }
        }

        impl Order for $name {
            fn adapter() -> Self {
                Self::new()
            }

            #[inline(always)]
            fn key(body: &Body) -> u64 {
                body.share.$field
            }
        }
    };
}

order!(ByDeadline, deadline);
order!(ByStart, start);

/// Of a thread in one of the queues of the calling owner.
#[inline(always)]
pub(crate) fn body_of<R>(thread: &Thread, access: impl FnOnce(&mut Body) -> R) -> R {
    // SAFETY: the owner holds the threads in its queues; nobody else touches their bodies.
    thread.body.with_mut(|body| access(unsafe { &mut *body }))
}

/// Owner only, as are the threads in it. A key does not change while its thread is in the tree.
pub(crate) struct Ordered<A: Order> {
    tree: RBTree<A>,
    first: *const Thread,
    least: u64,
}

impl<A: Order> Ordered<A> {
    pub fn new() -> Self {
        Self {
            tree: RBTree::new(A::adapter()),
            first: ptr::null(),
            least: NOBODY,
        }
    }

    /// The least key; [`NOBODY`] when empty.
    #[inline(always)]
    pub fn least(&self) -> u64 {
        self.least
    }

    /// Behind its equals.
    pub fn insert(&mut self, thread: UnsafeRef<Thread>) {
        let key = body_of(&thread, |body| A::key(body));
        if key < self.least {
            (self.first, self.least) = (ptr::from_ref(&*thread), key);
        }
        self.tree.insert(thread);
    }

    pub fn take_first(&mut self) -> Option<UnsafeRef<Thread>> {
        if self.first.is_null() {
            return None;
        }
        // SAFETY: the first of this very tree.
        let mut place = unsafe { self.tree.cursor_mut_from_ptr(self.first) };
        let taken = place.remove();
        (self.first, self.least) = at(&place);
        taken
    }

    /// # Safety
    /// The thread is in this very tree.
    pub unsafe fn unlink(&mut self, thread: &Thread) -> Option<UnsafeRef<Thread>> {
        if ptr::eq(self.first, thread) {
            return self.take_first();
        }
        // SAFETY: says the caller.
        unsafe { self.tree.cursor_mut_from_ptr(thread) }.remove()
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Thread> {
        self.tree.iter()
    }
}

/// The thread at a place of a tree, and its key.
fn at<A: Order>(place: &CursorMut<'_, A>) -> (*const Thread, u64) {
    match place.get() {
        Some(thread) => (ptr::from_ref(thread), body_of(thread, |body| A::key(body))),
        None => (ptr::null(), NOBODY),
    }
}
