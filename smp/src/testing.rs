//! What the host tests share.

pub(crate) mod bench;

use alloc::sync::Arc;
use alloc::vec::Vec;
use std::thread::{self, JoinHandle};

pub(crate) struct Threads<R>(Vec<JoinHandle<R>>);

/// Runs `body` in `count` threads at once.
pub(crate) fn in_threads<R: Send + 'static>(
    count: usize,
    body: impl Fn() -> R + Send + Sync + 'static,
) -> Threads<R> {
    let body = Arc::new(body);
    let spawn = |_| {
        let body = body.clone();
        thread::spawn(move || body())
    };
    Threads((0..count).map(spawn).collect())
}

impl<R> Threads<R> {
    pub fn join(self) -> Vec<R> {
        let join = |thread: JoinHandle<R>| thread.join().unwrap();
        self.0.into_iter().map(join).collect()
    }
}

/// Waits for what another thread is bound to do.
pub(crate) fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}
