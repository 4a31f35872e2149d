//! A mark in a long-lived structure that debug builds check: a wild or stale pointer is caught
//! where it is used, not where the damage shows. Release builds keep and check nothing.

#[cfg(debug_assertions)]
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

pub(crate) struct Magic {
    #[cfg(debug_assertions)]
    word: AtomicU32,
}

#[cfg(debug_assertions)]
const ALIVE: u32 = 0x7765_6674;
#[cfg(debug_assertions)]
const GONE: u32 = 0xdead_7765;

impl Magic {
    pub const fn new() -> Self {
        Magic {
            #[cfg(debug_assertions)]
            word: AtomicU32::new(ALIVE),
        }
    }

    /// Panics unless this is inside a structure that lives.
    #[inline(always)]
    #[track_caller]
    pub fn check(&self) {
        #[cfg(debug_assertions)]
        match self.word.load(Relaxed) {
            ALIVE => {}
            GONE => panic!("used after it was freed"),
            other => panic!("not what the pointer says it is: {other:#x}"),
        }
    }
}

impl Drop for Magic {
    fn drop(&mut self) {
        #[cfg(debug_assertions)]
        self.word.store(GONE, Relaxed);
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    fn a_living_one_passes() {
        Magic::new().check();
    }

    #[test]
    #[should_panic(expected = "after it was freed")]
    fn a_freed_one_is_caught() {
        let mut place = core::mem::ManuallyDrop::new(Magic::new());
        // SAFETY: dropped once; what is looked at afterwards is a plain atomic.
        unsafe { core::mem::ManuallyDrop::drop(&mut place) };
        place.check();
    }

    #[test]
    #[should_panic(expected = "not what the pointer says")]
    fn a_wild_one_is_caught() {
        let magic = Magic::new();
        magic.word.store(7, Relaxed);
        magic.check();
    }
}
