//! Thread-local slots: a few words that belong to the running thread.

use crate::runtime::current;
// Only the thread itself looks at them.
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Slots of every thread.
const COUNT: usize = 4;

/// The words of one thread; 0 at its start.
#[derive(Default)]
pub(crate) struct Slots([AtomicUsize; COUNT]);

/// The name of a slot, the same in every thread. Users divide the numbers among them:
///
/// ```
/// static CONSOLE: smp::kthread::Slot = smp::kthread::Slot::new(0);
/// assert_eq!((CONSOLE.replace(7), CONSOLE.get()), (0, 7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(usize);

impl Slot {
    /// Fails to compile, in a constant, for a slot that does not exist.
    pub const fn new(index: usize) -> Self {
        assert!(index < COUNT, "no such slot");
        Self(index)
    }

    /// The calling thread's word.
    pub fn get(self) -> usize {
        current().slots.0[self.0].load(Relaxed)
    }

    /// Sets the calling thread's word; returns the one before.
    pub fn replace(self, word: usize) -> usize {
        current().slots.0[self.0].swap(word, Relaxed)
    }
}
