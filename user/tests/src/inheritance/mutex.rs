//! The mutexes of the C library that are built on it.

use super::calls::{become_realtime, own_tid, sleeps, until};
use crate::harness::{Failure, Outcome, Test};
use nix::errno::Errno;
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};
use std::thread;

pub const TESTS: &[Test] = &[
    ("pi.mutex_excludes", mutex_excludes),
    ("pi.robust_mutex_tells", robust_mutex_tells),
    ("pi.mutex_between_processes", mutex_between_processes),
];

/// A pthread mutex that inherits priorities, in memory that never moves.
struct PiMutex(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: made to be used from any thread.

unsafe impl Sync for PiMutex {}
// SAFETY: it is boxed or mapped before it is first used.

unsafe impl Send for PiMutex {}

fn check(code: i32) -> Result<(), Errno> {
    if code == 0 {
        Ok(())
    } else {
        Err(Errno::from_raw(code))
    }
}

impl PiMutex {
    /// Makes the mutex at `place`.
    fn make(place: *mut libc::pthread_mutex_t, robust: bool, shared: bool) -> Result<(), Errno> {
        let mut attributes = MaybeUninit::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: initialised here, used below.
        check(unsafe { libc::pthread_mutexattr_init(attributes) })?;
        // SAFETY: initialised.
        check(unsafe {
            libc::pthread_mutexattr_setprotocol(attributes, libc::PTHREAD_PRIO_INHERIT)
        })?;
        if robust {
            // SAFETY: as above.
            check(unsafe {
                libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST)
            })?;
        }
        if shared {
            // SAFETY: as above.
            check(unsafe {
                libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED)
            })?;
        }
        // SAFETY: both pointers are good.
        check(unsafe { libc::pthread_mutex_init(place, attributes) })
    }

    fn new(robust: bool) -> Result<Arc<Self>, Errno> {
        let mutex = Arc::new(Self(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER)));
        Self::make(mutex.0.get(), robust, false)?;
        Ok(mutex)
    }

    fn lock(&self) -> Result<(), Errno> {
        // SAFETY: a mutex made above.
        check(unsafe { libc::pthread_mutex_lock(self.0.get()) })
    }

    fn unlock(&self) -> Result<(), Errno> {
        // SAFETY: as above.
        check(unsafe { libc::pthread_mutex_unlock(self.0.get()) })
    }
}

fn mutex_excludes() -> Outcome {
    let shared = Arc::new((PiMutex::new(false)?, AtomicUsize::new(0)));
    let threads: Vec<_> = (0..6)
        .map(|index| {
            let shared = shared.clone();
            thread::spawn(move || -> Result<(), Errno> {
                if index % 3 == 0 {
                    become_realtime(1 + index)?;
                }
                for _ in 0..3_000 {
                    shared.0.lock()?;
                    let value = shared.1.load(SeqCst);
                    if value % 50 == 0 {
                        thread::yield_now();
                    }
                    shared.1.store(value + 1, SeqCst);
                    shared.0.unlock()?;
                }
                Ok(())
            })
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| Failure("it panicked".into()))??;
    }
    ensure_eq!(shared.1.load(SeqCst), 18_000);
    Ok(())
}

fn robust_mutex_tells() -> Outcome {
    for waits in [false, true] {
        let mutex = PiMutex::new(true)?;
        let (held, go) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(!waits)),
        );
        let (dies_with, holds, wait) = (mutex.clone(), held.clone(), go.clone());
        let dies = thread::spawn(move || {
            let locked = dies_with.lock();
            holds.store(true, SeqCst);
            until(|| wait.load(SeqCst));
            locked
        });
        until(|| held.load(SeqCst));
        let heir = mutex.clone();
        let told = Arc::new(AtomicU32::new(0));
        let tell = told.clone();
        let inherits = thread::spawn(move || {
            tell.store(own_tid(), SeqCst);
            let locked = heir.lock();
            // SAFETY: its owner, after EOWNERDEAD.
            let repaired = check(unsafe { libc::pthread_mutex_consistent(heir.0.get()) });
            (locked, repaired, heir.unlock())
        });
        if waits {
            until(|| told.load(SeqCst) != 0 && sleeps(told.load(SeqCst)));
            go.store(true, SeqCst);
        }
        dies.join().map_err(|_| Failure("it panicked".into()))??;
        let seen = inherits.join().map_err(|_| Failure("it panicked".into()))?;
        ensure_eq!(seen, (Err(Errno::EOWNERDEAD), Ok(()), Ok(())));
        mutex.lock()?;
        mutex.unlock()?;
    }
    Ok(())
}

fn mutex_between_processes() -> Outcome {
    use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};
    let size = std::num::NonZeroUsize::new(4096).ok_or(Failure("size".into()))?;
    let rights = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: fresh memory.
    let memory = unsafe { mmap_anonymous(None, size, rights, MapFlags::MAP_SHARED) }?;
    let place = memory.as_ptr().cast::<libc::pthread_mutex_t>();
    PiMutex::make(place, false, true)?;
    // SAFETY: in the shared page, for good.
    let mutex = unsafe { &*place.cast::<PiMutex>() };
    // SAFETY: beyond the mutex, within the page.
    let counter = unsafe { &*memory.as_ptr().byte_add(1024).cast::<AtomicUsize>() };
    let work = || -> Result<(), Errno> {
        for _ in 0..3_000 {
            mutex.lock()?;
            let value = counter.load(SeqCst);
            if value % 20 == 0 {
                thread::yield_now();
            }
            counter.store(value + 1, SeqCst);
            mutex.unlock()?;
        }
        Ok(())
    };
    // SAFETY: the child only does what is below.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let code = i32::from(work().is_err());
            // SAFETY: ends the process.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => {
            work()?;
            ensure_eq!(waitpid(child, None)?, WaitStatus::Exited(child, 0));
        }
    }
    ensure_eq!(counter.load(SeqCst), 6_000);
    Ok(())
}
