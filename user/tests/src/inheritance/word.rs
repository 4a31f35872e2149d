//! What the word says, and what the calls refuse.

use super::calls::{
    TID, WAITERS, Word, contend, futex, lock, own_tid, simple, sleeps, unlock, until,
};
use crate::harness::{Failure, Outcome, Test};
use nix::errno::Errno;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use std::{ptr, thread};

pub const TESTS: &[Test] = &[
    ("pi.word_names_the_owner", word_names_the_owner),
    ("pi.errors", errors),
    ("pi.timeouts", timeouts),
    ("pi.circle_is_refused", circle_is_refused),
    (
        "pi.signal_does_not_end_the_wait",
        signal_does_not_end_the_wait,
    ),
];

fn word_names_the_owner() -> Outcome {
    let word = Arc::new(Word::new(0));
    lock(&word)?;
    ensure_eq!(word.load(SeqCst), own_tid());
    let inner = word.clone();
    let contender = contend(&word, 0, move || {
        assert_eq!(inner.load(SeqCst) & TID, own_tid())
    });
    contender.settle(&word);
    ensure_eq!(word.load(SeqCst), own_tid() | WAITERS);
    unlock(&word)?;
    contender.end()?;
    ensure_eq!(word.load(SeqCst), 0);
    simple(&*word, libc::FUTEX_TRYLOCK_PI)?;
    ensure_eq!(word.load(SeqCst), own_tid());
    unlock(&word)?;
    ensure_eq!(word.load(SeqCst), 0);
    Ok(())
}

fn errors() -> Outcome {
    let word = Arc::new(Word::new(0));
    lock(&word)?;
    ensure_eq!(lock(&word), Err(Errno::EDEADLK));
    ensure_eq!(simple(&*word, libc::FUTEX_TRYLOCK_PI), Err(Errno::EDEADLK));
    let other = word.clone();
    let seen = thread::spawn(move || (simple(&*other, libc::FUTEX_TRYLOCK_PI), unlock(&other)));
    let seen = seen.join().map_err(|_| Failure("it panicked".into()))?;
    ensure_eq!(seen, (Err(Errno::EAGAIN), Err(Errno::EPERM)));
    unlock(&word)?;
    ensure_eq!(unlock(&word), Err(Errno::EPERM));
    // Nobody has the highest number there is.
    word.store(TID, SeqCst);
    ensure_eq!(lock(&word), Err(Errno::ESRCH));
    ensure_eq!(
        simple(ptr::without_provenance(0x1001), libc::FUTEX_LOCK_PI),
        Err(Errno::EINVAL)
    );
    ensure_eq!(
        simple(ptr::without_provenance(0x1000), libc::FUTEX_LOCK_PI),
        Err(Errno::EFAULT)
    );
    let (from, to) = (Word::new(0), Word::new(0));
    let requeue = |count, target| futex(&from, libc::FUTEX_CMP_REQUEUE_PI, count, 1, target, 0);
    ensure_eq!(requeue(2, &raw const to), Err(Errno::EINVAL));
    ensure_eq!(requeue(1, &raw const from), Err(Errno::EINVAL));
    ensure_eq!(requeue(1, &raw const to), Ok(0));
    let wait = |value, target| futex(&from, libc::FUTEX_WAIT_REQUEUE_PI, value, 0, target, 0);
    ensure_eq!(wait(0, &raw const from), Err(Errno::EINVAL));
    ensure_eq!(wait(1, &raw const to), Err(Errno::EAGAIN));
    let clock = libc::FUTEX_UNLOCK_PI | libc::FUTEX_CLOCK_REALTIME;
    ensure_eq!(simple(&raw const to, clock), Err(Errno::ENOSYS));
    Ok(())
}

fn clock(which: libc::clockid_t) -> libc::timespec {
    let mut now = MaybeUninit::uninit();
    // SAFETY: the call fills it.
    unsafe { libc::clock_gettime(which, now.as_mut_ptr()) };
    // SAFETY: as above.
    unsafe { now.assume_init() }
}

fn timeouts() -> Outcome {
    let word = Arc::new(Word::new(0));
    lock(&word)?;
    let other = word.clone();
    let waits = thread::spawn(move || {
        let until = |operation: i32, which| {
            let mut end = clock(which);
            end.tv_nsec += 20_000_000;
            end.tv_sec += end.tv_nsec / 1_000_000_000;
            end.tv_nsec %= 1_000_000_000;
            let begun = Instant::now();
            let result = futex(
                &*other,
                operation,
                0,
                (&raw const end).addr(),
                ptr::null(),
                0,
            );
            (result, begun.elapsed() >= Duration::from_millis(19))
        };
        const LOCK_PI2: i32 = 13;
        [
            until(libc::FUTEX_LOCK_PI, libc::CLOCK_REALTIME),
            until(LOCK_PI2, libc::CLOCK_MONOTONIC),
            until(LOCK_PI2 | libc::FUTEX_CLOCK_REALTIME, libc::CLOCK_REALTIME),
        ]
    });
    let waited = waits.join().map_err(|_| Failure("it panicked".into()))?;
    ensure_eq!(waited, [(Err(Errno::ETIMEDOUT), true); 3]);
    unlock(&word)?;
    ensure_eq!(word.load(SeqCst) & TID, 0);
    lock(&word)?;
    unlock(&word)?;
    Ok(())
}

/// Two threads, two futexes, the wrong order: exactly the one that closes the circle is told.
fn circle_is_refused() -> Outcome {
    let (first, second) = (Arc::new(Word::new(0)), Arc::new(Word::new(0)));
    lock(&first)?;
    let (first_too, second_too) = (first.clone(), second.clone());
    let other = thread::spawn(move || -> Result<(), Errno> {
        lock(&second_too)?;
        lock(&first_too)?;
        unlock(&first_too)?;
        unlock(&second_too)
    });
    until(|| first.load(SeqCst) & WAITERS != 0);
    until(|| sleeps(second.load(SeqCst) & TID));
    ensure_eq!(lock(&second), Err(Errno::EDEADLK));
    unlock(&first)?;
    other.join().map_err(|_| Failure("it panicked".into()))??;
    Ok(())
}

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count_signal(_: i32) {
    SIGNALS.fetch_add(1, SeqCst);
}

fn signal_does_not_end_the_wait() -> Outcome {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
    let handler = SigHandler::Handler(count_signal);
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler adds to a counter.
    unsafe { sigaction(Signal::SIGUSR1, &action) }?;
    let word = Arc::new(Word::new(0));
    lock(&word)?;
    let contender = contend(&word, 0, || ());
    contender.settle(&word);
    let (group, tid) = (std::process::id(), contender.tid.load(SeqCst));
    for count in 1..=3 {
        // SAFETY: takes numbers.
        unsafe { libc::syscall(libc::SYS_tgkill, group, tid, libc::SIGUSR1) };
        until(|| SIGNALS.load(SeqCst) == count);
        contender.settle(&word);
    }
    ensure!(!contender.thread.is_finished());
    unlock(&word)?;
    contender.end()
}
