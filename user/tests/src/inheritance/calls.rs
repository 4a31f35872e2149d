//! The calls on a futex, and threads that contend for one.

use crate::harness::{Failure, Outcome};
use nix::errno::Errno;
use nix::unistd::gettid;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use std::{ptr, thread};

pub const WAITERS: u32 = libc::FUTEX_WAITERS;

pub const DIED: u32 = libc::FUTEX_OWNER_DIED;

pub const TID: u32 = libc::FUTEX_TID_MASK;

pub type Word = AtomicU32;

pub fn futex(
    word: *const Word,
    operation: i32,
    value: u32,
    timeout: usize,
    second: *const Word,
    third: u32,
) -> Result<i64, Errno> {
    let operation = operation | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the kernel checks every pointer.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word,
            operation,
            value,
            timeout,
            second,
            third,
        )
    };
    Errno::result(result)
}

pub fn simple(word: *const Word, operation: i32) -> Result<(), Errno> {
    futex(word, operation, 0, 0, ptr::null(), 0).map(drop)
}

pub fn lock(word: &Word) -> Result<(), Errno> {
    simple(word, libc::FUTEX_LOCK_PI)
}

pub fn unlock(word: &Word) -> Result<(), Errno> {
    simple(word, libc::FUTEX_UNLOCK_PI)
}

pub fn own_tid() -> u32 {
    gettid().as_raw() as u32
}

pub fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::sleep(Duration::from_micros(200));
    }
}

/// Whether thread `tid` sleeps, as /proc tells.
pub fn sleeps(tid: u32) -> bool {
    stat(tid).is_ok_and(|fields| fields[0] == "S")
}

/// The fields of a thread's stat file from the state on.
pub fn stat(tid: u32) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat"))?;
    let (_, fields) = text.rsplit_once(") ").ok_or(Failure("no name".into()))?;
    Ok(fields.split_whitespace().map(str::to_string).collect())
}

/// The priority a thread is scheduled by: 20 is nice 0, -1 - p is real time p.
pub fn priority(tid: u32) -> Result<i64, Failure> {
    Ok(stat(tid)?[15].parse()?)
}

pub fn become_realtime(priority: i32) -> Result<(), Errno> {
    // All of `struct sched_param` that the kernel knows.
    let parameters = priority;
    let tid = gettid().as_raw();
    // SAFETY: the structure is read only.
    let result = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            tid,
            libc::SCHED_FIFO,
            &raw const parameters,
        )
    };
    Errno::result(result).map(drop)
}

/// A thread that locks `word` as real time `priority` once told its tid, and says when it has it.
pub struct Contender {
    pub tid: Arc<AtomicU32>,
    pub thread: thread::JoinHandle<Result<(), Errno>>,
}

pub fn contend(word: &Arc<Word>, priority: i32, then: impl FnOnce() + Send + 'static) -> Contender {
    let (word, tid) = (word.clone(), Arc::new(AtomicU32::new(0)));
    let told = tid.clone();
    let thread = thread::spawn(move || {
        if priority > 0 {
            become_realtime(priority)?;
        }
        told.store(own_tid(), SeqCst);
        lock(&word)?;
        then();
        unlock(&word)
    });
    Contender { tid, thread }
}

impl Contender {
    /// Waits until it sleeps on the futex.
    pub fn settle(&self, word: &Word) {
        until(|| self.thread.is_finished() || self.tid.load(SeqCst) != 0);
        until(|| {
            self.thread.is_finished()
                || word.load(SeqCst) & WAITERS != 0 && sleeps(self.tid.load(SeqCst))
        });
    }

    pub fn end(self) -> Outcome {
        Ok(self
            .thread
            .join()
            .map_err(|_| Failure("it panicked".into()))??)
    }
}
