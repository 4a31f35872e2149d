//! Several threads that start together, and what each of them returns.

use crate::cpus;
use crate::measure::Trouble;
use crate::word::Word;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const STACK: usize = 64 << 10;

/// Runs `work(index)` in `count` threads that meet before they start. They meet without a lock:
/// a thousand that leave a barrier one after the other would be most of what is seen.
pub fn together<T: Send>(
    count: usize,
    work: impl Fn(usize) -> T + Sync,
) -> Result<Vec<T>, Trouble> {
    let (arrived, gate) = (AtomicUsize::new(0), Word::new(0));
    let meet = || match arrived.fetch_add(1, Ordering::SeqCst) + 1 == count {
        true => gate.set_for_all(1),
        false => {
            gate.wait_while(0);
        }
    };
    let (meet, work) = (&meet, &work);
    thread::scope(|scope| {
        let start = |index| {
            let body = move || {
                meet();
                work(index)
            };
            thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, body)
        };
        let handles: Vec<_> = (0..count).map(start).collect::<Result<_, _>>()?;
        handles.into_iter().map(joined).collect()
    })
}

pub fn joined<T>(handle: thread::ScopedJoinHandle<'_, T>) -> Result<T, Trouble> {
    handle
        .join()
        .map_err(|_| Trouble::Failed("a thread panicked".into()))
}

/// One thread for each CPU of this process, at least two.
pub fn one_each() -> Result<usize, Trouble> {
    match cpus::allowed()?.len() {
        0 | 1 => Err(Trouble::Unsupported("it needs two CPUs".into())),
        count => Ok(count),
    }
}
