//! The clock of every row: the architecture's counter, read without a system call.

pub use common::clock::now;

/// How long `work` takes, in nanoseconds.
pub fn time(work: impl FnOnce()) -> u64 {
    let start = now();
    work();
    now() - start
}
