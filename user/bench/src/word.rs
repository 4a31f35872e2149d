//! A word that threads of this process wait on with `futex(2)`.

use std::sync::atomic::{AtomicU32, Ordering};

const WAIT: i32 = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
const WAKE: i32 = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;

pub struct Word(AtomicU32);

impl Word {
    pub const fn new(value: u32) -> Self {
        Self(AtomicU32::new(value))
    }

    /// Stores a value and wakes one waiter.
    pub fn set(&self, value: u32) {
        self.0.store(value, Ordering::Release);
        self.wake(1);
    }

    /// Stores a value and wakes every waiter.
    pub fn set_for_all(&self, value: u32) {
        self.0.store(value, Ordering::Release);
        self.wake(i32::MAX);
    }

    fn wake(&self, count: i32) {
        // SAFETY: the word outlives the call; FUTEX_WAKE reads no other argument.
        unsafe { libc::syscall(libc::SYS_futex, self.0.as_ptr(), WAKE, count) };
    }

    /// What the word says once it says something else than `value`.
    pub fn wait_while(&self, value: u32) -> u32 {
        loop {
            let now = self.0.load(Ordering::Acquire);
            if now != value {
                return now;
            }
            let forever = std::ptr::null::<libc::timespec>();
            // SAFETY: the word outlives the call, and a null timeout waits without an end.
            unsafe { libc::syscall(libc::SYS_futex, self.0.as_ptr(), WAIT, value, forever) };
        }
    }
}
