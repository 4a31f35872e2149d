//! Barriers that other CPUs execute on request, and how the requester knows that they did.
//!
//! A request has a number. A CPU that is interrupted reads the latest, executes a barrier and
//! answers with the number it read: an interrupt that comes late, from a request that no longer
//! waits for this CPU (it was going off), then answers what it is a barrier for and nothing else.
//! Counting answers would let it pass for one to a request that came after its barrier.

use crate::sync::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    const_fn, fence, mutate,
};

/// The number of the latest request.
#[derive(Default)]
pub struct Requests(AtomicU64);

/// The latest request that one CPU has answered.
#[derive(Default)]
pub struct Answered(AtomicU64);

impl Requests {
    const_fn! {
        pub fn new() -> Self {
            Self(AtomicU64::new(0))
        }
    }

    /// A new request: to be called before the interrupts are sent, by one requester at a time.
    /// What the caller stored before is seen by who has answered.
    #[must_use]
    pub fn begin(&self) -> u64 {
        if mutate("request_fence", true, false) {
            fence(SeqCst);
        }
        self.0.fetch_add(1, Relaxed) + 1
    }

    /// The interrupted CPU's barrier, and its answer.
    pub fn answer(&self, own: &Answered) {
        let request = self.0.load(Relaxed);
        if mutate("answer_fence", true, false) {
            fence(SeqCst);
        }
        let request = match mutate("answer_to_later", false, true) {
            false => request,
            true => self.0.load(Relaxed),
        };
        own.0.store(request, Release);
    }
}

impl Answered {
    const_fn! {
        pub fn new() -> Self {
            Self(AtomicU64::new(0))
        }
    }

    /// Whether the CPU has executed its barrier since `request` began. What it did before that is
    /// seen by the caller then.
    pub fn has(&self, request: u64) -> bool {
        self.0.load(Acquire) >= request
    }
}
