//! Several threads that start together, and what each of them returns.

use crate::cpus;
use crate::measure::Trouble;
use std::sync::Barrier;
use std::thread;

const STACK: usize = 64 << 10;

/// Runs `work(index)` in `count` threads that meet before they start.
pub fn together<T: Send>(
    count: usize,
    work: impl Fn(usize) -> T + Sync,
) -> Result<Vec<T>, Trouble> {
    let barrier = Barrier::new(count);
    let (barrier, work) = (&barrier, &work);
    thread::scope(|scope| {
        let start = |index| {
            let body = move || {
                barrier.wait();
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
