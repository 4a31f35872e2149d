//! Futexes and mutexes that inherit priorities: FUTEX_LOCK_PI and its kin, PTHREAD_PRIO_INHERIT.

use crate::harness::{Failure, Outcome, Test};
use nix::errno::Errno;
use nix::unistd::gettid;
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = &[
    ("pi.word_names_the_owner", word_names_the_owner),
    ("pi.errors", errors),
    ("pi.timeouts", timeouts),
    ("pi.circle_is_refused", circle_is_refused),
    (
        "pi.unlock_hands_over_by_priority",
        unlock_hands_over_by_priority,
    ),
    ("pi.owner_runs_as_its_waiter", owner_runs_as_its_waiter),
    ("pi.chain", chain),
    ("pi.hog_does_not_hold_up", hog_does_not_hold_up),
    ("pi.exit_hands_over", exit_hands_over),
    (
        "pi.signal_does_not_end_the_wait",
        signal_does_not_end_the_wait,
    ),
    ("pi.requeued_from_a_condition", requeued_from_a_condition),
    ("pi.mutex_excludes", mutex_excludes),
    ("pi.robust_mutex_tells", robust_mutex_tells),
    ("pi.mutex_between_processes", mutex_between_processes),
];

const WAITERS: u32 = libc::FUTEX_WAITERS;
const DIED: u32 = libc::FUTEX_OWNER_DIED;
const TID: u32 = libc::FUTEX_TID_MASK;

type Word = AtomicU32;

fn futex(
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

fn simple(word: *const Word, operation: i32) -> Result<(), Errno> {
    futex(word, operation, 0, 0, ptr::null(), 0).map(drop)
}

fn lock(word: &Word) -> Result<(), Errno> {
    simple(word, libc::FUTEX_LOCK_PI)
}

fn unlock(word: &Word) -> Result<(), Errno> {
    simple(word, libc::FUTEX_UNLOCK_PI)
}

fn own_tid() -> u32 {
    gettid().as_raw() as u32
}

fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::sleep(Duration::from_micros(200));
    }
}

/// Whether thread `tid` sleeps, as /proc tells.
fn sleeps(tid: u32) -> bool {
    stat(tid).is_ok_and(|fields| fields[0] == "S")
}

/// The fields of a thread's stat file from the state on.
fn stat(tid: u32) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat"))?;
    let (_, fields) = text.rsplit_once(") ").ok_or(Failure("no name".into()))?;
    Ok(fields.split_whitespace().map(str::to_string).collect())
}

/// The priority a thread is scheduled by: 20 is nice 0, -1 - p is real time p.
fn priority(tid: u32) -> Result<i64, Failure> {
    Ok(stat(tid)?[15].parse()?)
}

fn become_realtime(priority: i32) -> Result<(), Errno> {
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
struct Contender {
    tid: Arc<AtomicU32>,
    thread: thread::JoinHandle<Result<(), Errno>>,
}

fn contend(word: &Arc<Word>, priority: i32, then: impl FnOnce() + Send + 'static) -> Contender {
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
    fn settle(&self, word: &Word) {
        until(|| self.thread.is_finished() || self.tid.load(SeqCst) != 0);
        until(|| {
            self.thread.is_finished()
                || word.load(SeqCst) & WAITERS != 0 && sleeps(self.tid.load(SeqCst))
        });
    }

    fn end(self) -> Outcome {
        Ok(self
            .thread
            .join()
            .map_err(|_| Failure("it panicked".into()))??)
    }
}

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

fn unlock_hands_over_by_priority() -> Outcome {
    let (word, order) = (Arc::new(Word::new(0)), Arc::new(AtomicUsize::new(0)));
    lock(&word)?;
    let contenders: Vec<_> = [10, 30, 20]
        .into_iter()
        .map(|priority| {
            let order = order.clone();
            let then = move || {
                let served = order.load(SeqCst);
                order.store(served * 100 + priority as usize, SeqCst);
            };
            let contender = contend(&word, priority, then);
            contender.settle(&word);
            contender
        })
        .collect();
    unlock(&word)?;
    contenders.into_iter().try_for_each(Contender::end)?;
    ensure_eq!(order.load(SeqCst), 302_010);
    Ok(())
}

fn owner_runs_as_its_waiter() -> Outcome {
    let word = Arc::new(Word::new(0));
    lock(&word)?;
    let before = priority(own_tid())?;
    let contender = contend(&word, 17, || ());
    contender.settle(&word);
    ensure_eq!(priority(own_tid())?, -18);
    let more = contend(&word, 40, || ());
    until(|| priority(own_tid()).is_ok_and(|priority| priority == -41));
    // Its own parameters are what they were.
    // SAFETY: takes numbers.
    ensure_eq!(unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) }, 0);
    unlock(&word)?;
    ensure_eq!(priority(own_tid())?, before);
    contender.end()?;
    more.end()
}

/// A waits for B, B for this thread: what A is worth comes through.
fn chain() -> Outcome {
    let (first, second) = (Arc::new(Word::new(0)), Arc::new(Word::new(0)));
    lock(&first)?;
    let (first_too, second_too) = (first.clone(), second.clone());
    let middle = thread::spawn(move || -> Result<(), Errno> {
        lock(&second_too)?;
        lock(&first_too)?;
        unlock(&first_too)?;
        unlock(&second_too)
    });
    until(|| first.load(SeqCst) & WAITERS != 0);
    let urgent = contend(&second, 33, || ());
    until(|| priority(own_tid()).is_ok_and(|priority| priority == -34));
    unlock(&first)?;
    middle.join().map_err(|_| Failure("it panicked".into()))??;
    urgent.end()
}

fn stay_on(cpu: usize) -> Result<(), Errno> {
    let mut set = nix::sched::CpuSet::new();
    set.set(cpu)?;
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set)
}

/// Real time without a limit as long as this lives: no owner gets to run because a hog must pause.
struct Unlimited(String);

impl Unlimited {
    const PATH: &str = "/proc/sys/kernel/sched_rt_runtime_us";

    fn new() -> Result<Self, Failure> {
        let before = std::fs::read_to_string(Self::PATH)?;
        std::fs::write(Self::PATH, "-1\n")?;
        Ok(Self(before))
    }
}

impl Drop for Unlimited {
    fn drop(&mut self) {
        let _ = std::fs::write(Self::PATH, &self.0);
    }
}

/// One CPU: an ordinary owner, a real-time hog, a more urgent waiter. The waiter is served while
/// the hog still spins.
fn hog_does_not_hold_up() -> Outcome {
    let _unlimited = Unlimited::new()?;
    let word = Arc::new(Word::new(0));
    let [held, ready, served] = [(); 3].map(|()| Arc::new(AtomicBool::new(false)));
    let (owned, holds) = (word.clone(), held.clone());
    let owner = thread::spawn(move || -> Result<(), Errno> {
        stay_on(0)?;
        lock(&owned)?;
        holds.store(true, SeqCst);
        while owned.load(SeqCst) & WAITERS == 0 {
            std::hint::spin_loop();
        }
        unlock(&owned)
    });
    until(|| held.load(SeqCst));
    let (spins, done) = (served.clone(), word.clone());
    let hog = thread::spawn(move || -> Result<bool, Errno> {
        stay_on(0)?;
        become_realtime(10)?;
        let waiter = {
            let (served, ready) = (spins.clone(), ready.clone());
            thread::spawn(move || -> Result<(), Errno> {
                become_realtime(20)?;
                ready.store(true, SeqCst);
                lock(&done)?;
                served.store(true, SeqCst);
                unlock(&done)
            })
        };
        // From then on it runs before this thread whenever it can.
        until(|| ready.load(SeqCst));
        let begun = Instant::now();
        while !spins.load(SeqCst) && begun.elapsed() < Duration::from_secs(20) {
            std::hint::spin_loop();
        }
        let in_time = spins.load(SeqCst);
        waiter.join().expect("the waiter does not panic")?;
        Ok(in_time)
    });
    let in_time = hog.join().map_err(|_| Failure("it panicked".into()))??;
    owner.join().map_err(|_| Failure("it panicked".into()))??;
    ensure!(in_time);
    Ok(())
}

/// A thread ends with the futex in hand: the waiter has it, and can see that.
fn exit_hands_over() -> Outcome {
    let word = Arc::new(Word::new(0));
    let (taken, go) = (word.clone(), Arc::new(AtomicBool::new(false)));
    let wait = go.clone();
    let owner = thread::spawn(move || {
        let locked = lock(&taken);
        until(|| wait.load(SeqCst));
        locked
    });
    until(|| word.load(SeqCst) != 0);
    let contender = {
        let word = word.clone();
        thread::spawn(move || (lock(&word), own_tid(), word.load(SeqCst), unlock(&word)))
    };
    until(|| word.load(SeqCst) & WAITERS != 0);
    go.store(true, SeqCst);
    owner.join().map_err(|_| Failure("it panicked".into()))??;
    let (locked, tid, seen, unlocked) = contender
        .join()
        .map_err(|_| Failure("it panicked".into()))?;
    ensure_eq!((locked, seen & TID, seen & DIED), (Ok(()), tid, DIED));
    ensure_eq!(unlocked, Ok(()));
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

fn requeued_from_a_condition() -> Outcome {
    let (condition, mutex) = (Arc::new(Word::new(7)), Arc::new(Word::new(0)));
    let inside = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (condition, mutex, inside) = (condition.clone(), mutex.clone(), inside.clone());
            let tid = Arc::new(AtomicU32::new(0));
            let told = tid.clone();
            let thread = thread::spawn(move || -> Result<(u32, u32), Errno> {
                told.store(own_tid(), SeqCst);
                let operation = libc::FUTEX_WAIT_REQUEUE_PI;
                futex(&*condition, operation, 7, 0, &*mutex, 0)?;
                assert_eq!(inside.fetch_add(1, SeqCst), 0, "two owners");
                let owner = mutex.load(SeqCst) & TID;
                inside.fetch_sub(1, SeqCst);
                unlock(&mutex)?;
                Ok((owner, own_tid()))
            });
            (tid, thread)
        })
        .collect();
    until(|| {
        threads
            .iter()
            .all(|(tid, _)| tid.load(SeqCst) != 0 && sleeps(tid.load(SeqCst)))
    });
    let requeue = |limit| {
        futex(
            &*condition,
            libc::FUTEX_CMP_REQUEUE_PI,
            1,
            limit,
            &*mutex,
            7,
        )
    };
    // The first is given the free mutex; then the rest while it is this thread's.
    let mut moved = requeue(0)?;
    until(|| threads.iter().any(|(_, thread)| thread.is_finished()));
    until(|| mutex.load(SeqCst) & TID == 0);
    lock(&mutex)?;
    moved += requeue(usize::MAX >> 33)?;
    ensure_eq!(moved, 3);
    ensure_eq!(mutex.load(SeqCst), own_tid() | WAITERS);
    unlock(&mutex)?;
    for (_, thread) in threads {
        let (owner, tid) = thread.join().map_err(|_| Failure("it panicked".into()))??;
        ensure_eq!(owner, tid);
    }
    ensure_eq!(mutex.load(SeqCst) & TID, 0);
    Ok(())
}

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
