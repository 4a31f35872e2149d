//! A place in the storm: its mailbox, and the thread that lives there at the moment.

use common::clock::monotonic;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

#[derive(Default)]
pub struct Slot {
    /// Wakes that were sent and not yet taken: the futex that the thread sleeps on.
    mail: AtomicU32,
    /// Since when mail lies here although the thread sleeps, in milliseconds; 0: no.
    neglected_since_ms: AtomicU64,
    is_asleep: AtomicU32,
    /// The thread's number. Whoever addresses the thread by it holds the lock, and the thread
    /// takes it back before it ends: the number is never another thread's.
    pub tid: Mutex<Option<libc::pid_t>>,
}

impl Slot {
    /// Sends one wake.
    pub fn post(&self) {
        self.mail.fetch_add(1, Ordering::SeqCst);
        self.futex(libc::FUTEX_WAKE, 1);
    }

    /// Sleeps until there is mail, a signal comes, or for ever; takes the mail.
    pub fn receive(&self) {
        self.is_asleep.store(1, Ordering::SeqCst);
        if self.mail.load(Ordering::SeqCst) == 0 {
            self.futex(libc::FUTEX_WAIT, 0);
        }
        self.is_asleep.store(0, Ordering::SeqCst);
        self.mail.swap(0, Ordering::SeqCst);
    }

    /// Whether the thread has slept beside its mail for `patience`. Asked again and again.
    pub fn has_overslept(&self, patience: Duration) -> bool {
        let neglected =
            self.is_asleep.load(Ordering::SeqCst) == 1 && self.mail.load(Ordering::SeqCst) > 0;
        let since = self.neglected_since_ms.load(Ordering::Relaxed);
        let now = now_ms();
        if !neglected || since == 0 {
            let next = if neglected { now } else { 0 };
            self.neglected_since_ms.store(next, Ordering::Relaxed);
            return false;
        }
        let overslept = u128::from(now - since) > patience.as_millis();
        if overslept {
            self.neglected_since_ms.store(now, Ordering::Relaxed);
        }
        overslept
    }

    fn futex(&self, operation: i32, value: u32) {
        let operation = operation | libc::FUTEX_PRIVATE_FLAG;
        let timeout: *const libc::timespec = std::ptr::null();
        // SAFETY: the word lives as long as the storm; no timeout is given.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.mail.as_ptr(),
                operation,
                value,
                timeout,
            )
        };
    }
}

fn now_ms() -> u64 {
    monotonic() / 1_000_000 + 1
}
