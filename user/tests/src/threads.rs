//! Threads of one process: futexes under the locks of std, identity, exit.

use crate::harness::{Outcome, Test};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = &[
    ("thread.join_returns_values", join_returns_values),
    ("thread.mutex_excludes", mutex_excludes),
    ("thread.condition_ping_pong", condition_ping_pong),
    ("thread.barrier_gathers", barrier_gathers),
    ("thread.thousand_at_once", thousand_at_once),
    ("thread.create_and_end_in_turn", create_and_end_in_turn),
    ("thread.own_variables", own_variables),
    ("thread.ids_differ", ids_differ),
    ("thread.names", names),
    ("thread.channel_order", channel_order),
    ("thread.park_and_unpark", park_and_unpark),
    ("futex.timeout", futex_timeout),
    ("futex.value_changed", futex_value_changed),
    ("futex.wake_counts", futex_wake_counts),
    ("futex.shared_between_processes", futex_between_processes),
];

fn join_returns_values() -> Outcome {
    let threads: Vec<_> = (0..50_u64)
        .map(|number| thread::spawn(move || number * number))
        .collect();
    for (number, thread) in threads.into_iter().enumerate() {
        ensure_eq!(thread.join().unwrap_or(0), (number * number) as u64);
    }
    Ok(())
}

fn mutex_excludes() -> Outcome {
    let total = Arc::new(Mutex::new(0_u64));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let total = Arc::clone(&total);
            thread::spawn(move || {
                (0..5_000)
                    .for_each(|_| *total.lock().unwrap_or_else(|broken| broken.into_inner()) += 1)
            })
        })
        .collect();
    ensure!(threads.into_iter().all(|thread| thread.join().is_ok()));
    ensure_eq!(*total.lock()?, 40_000);
    Ok(())
}

fn condition_ping_pong() -> Outcome {
    let table = Arc::new((Mutex::new(0_u32), Condvar::new()));
    let partner = Arc::clone(&table);
    let play = |table: &(Mutex<u32>, Condvar), mine: u32| {
        for _ in 0..1_000 {
            let Ok(ball) = table.0.lock() else { return };
            let Ok(mut ball) = table.1.wait_while(ball, |ball| *ball % 2 != mine) else {
                return;
            };
            *ball += 1;
            table.1.notify_one();
        }
    };
    let thread = thread::spawn(move || play(&partner, 1));
    play(&table, 0);
    ensure!(thread.join().is_ok());
    ensure_eq!(*table.0.lock()?, 2_000);
    Ok(())
}

fn barrier_gathers() -> Outcome {
    let (barrier, arrived) = (Arc::new(Barrier::new(16)), Arc::new(AtomicU32::new(0)));
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let (barrier, arrived) = (Arc::clone(&barrier), Arc::clone(&arrived));
            thread::spawn(move || {
                arrived.fetch_add(1, SeqCst);
                barrier.wait();
                arrived.load(SeqCst)
            })
        })
        .collect();
    ensure!(
        threads
            .into_iter()
            .all(|thread| thread.join().is_ok_and(|seen| seen == 16))
    );
    Ok(())
}

fn thousand_at_once() -> Outcome {
    let gate = Arc::new(Barrier::new(1_001));
    let spawn = |_| {
        let gate = Arc::clone(&gate);
        thread::Builder::new()
            .stack_size(16 << 10)
            .spawn(move || gate.wait().is_leader())
    };
    let threads: Vec<_> = (0..1_000).map(spawn).collect::<Result<_, _>>()?;
    gate.wait();
    ensure!(threads.into_iter().all(|thread| thread.join().is_ok()));
    Ok(())
}

fn create_and_end_in_turn() -> Outcome {
    for round in 0..2_000_u32 {
        ensure_eq!(
            thread::spawn(move || round).join().unwrap_or(u32::MAX),
            round
        );
    }
    Ok(())
}

fn own_variables() -> Outcome {
    thread_local! { static OWN: std::cell::Cell<u32> = const { std::cell::Cell::new(7) } }
    OWN.set(1);
    let threads: Vec<_> = (0..20)
        .map(|number| {
            thread::spawn(move || {
                let fresh = OWN.get() == 7;
                OWN.set(number);
                thread::yield_now();
                fresh && OWN.get() == number
            })
        })
        .collect();
    ensure!(
        threads
            .into_iter()
            .all(|thread| thread.join().unwrap_or(false))
    );
    ensure_eq!(OWN.get(), 1);
    Ok(())
}

fn ids_differ() -> Outcome {
    let main = nix::unistd::gettid();
    ensure_eq!(main.as_raw(), nix::unistd::getpid().as_raw());
    let barrier = Arc::new(Barrier::new(20));
    let threads: Vec<_> = (0..20)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            thread::spawn(move || {
                let id = nix::unistd::gettid().as_raw();
                barrier.wait();
                id
            })
        })
        .collect();
    let mut ids: HashSet<i32> = threads
        .into_iter()
        .filter_map(|thread| thread.join().ok())
        .collect();
    ids.insert(main.as_raw());
    ensure_eq!(ids.len(), 21);
    Ok(())
}

fn names() -> Outcome {
    let named = thread::Builder::new().name("weaver".into()).spawn(|| {
        let id = nix::unistd::gettid();
        std::fs::read_to_string(format!("/proc/self/task/{id}/comm"))
    })?;
    let name = named.join().map_err(|_| "the thread panicked")??;
    ensure_eq!(name.trim(), "weaver");
    Ok(())
}

fn channel_order() -> Outcome {
    let (sender, receiver) = mpsc::sync_channel(3);
    let thread = thread::spawn(move || (0..10_000).all(|number| sender.send(number).is_ok()));
    ensure!(receiver.iter().eq(0..10_000));
    ensure!(thread.join().unwrap_or(false));
    Ok(())
}

fn park_and_unpark() -> Outcome {
    let rounds = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&rounds);
    let sleeper = thread::spawn(move || {
        while seen.load(SeqCst) < 500 {
            thread::park();
            seen.fetch_add(1, SeqCst);
        }
    });
    while rounds.load(SeqCst) < 500 {
        sleeper.thread().unpark();
        thread::yield_now();
    }
    sleeper.thread().unpark();
    ensure!(sleeper.join().is_ok());
    Ok(())
}

const WAIT: i32 = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
const WAKE: i32 = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;

fn futex(
    word: &AtomicU32,
    operation: i32,
    value: u32,
    timeout: Option<Duration>,
) -> Result<i64, nix::errno::Errno> {
    let timeout = timeout.map(|time| libc::timespec {
        tv_sec: time.as_secs() as _,
        tv_nsec: time.subsec_nanos().into(),
    });
    let timeout = timeout
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: word and timeout outlive the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            operation,
            value,
            timeout,
            0_usize,
            0,
        )
    };
    nix::errno::Errno::result(answer)
}

fn futex_timeout() -> Outcome {
    let (word, started) = (AtomicU32::new(5), Instant::now());
    let answer = futex(&word, WAIT, 5, Some(Duration::from_millis(50)));
    ensure_eq!(answer, Err(nix::errno::Errno::ETIMEDOUT));
    ensure!(started.elapsed() >= Duration::from_millis(50));
    Ok(())
}

fn futex_value_changed() -> Outcome {
    ensure_eq!(
        futex(&AtomicU32::new(5), WAIT, 6, None),
        Err(nix::errno::Errno::EAGAIN)
    );
    Ok(())
}

fn futex_wake_counts() -> Outcome {
    let word = Arc::new(AtomicU32::new(0));
    ensure_eq!(futex(&word, WAKE, 10, None), Ok(0));
    let sleepers: Vec<_> = (0..4)
        .map(|_| {
            let word = Arc::clone(&word);
            thread::spawn(move || futex(&word, WAIT, 0, None) == Ok(0))
        })
        .collect();
    // Who is not asleep yet is not counted: wake until each of the four has been.
    let mut woken = 0;
    while woken < 4 {
        let now = futex(&word, WAKE, 3, None)?;
        ensure!(now <= 3);
        woken += now;
        thread::yield_now();
    }
    ensure!(
        sleepers
            .into_iter()
            .all(|sleeper| sleeper.join().unwrap_or(false))
    );
    Ok(())
}

fn futex_between_processes() -> Outcome {
    use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
    let size = std::num::NonZeroUsize::new(4096).ok_or("zero")?;
    let flags = MapFlags::MAP_SHARED;
    // SAFETY: a new mapping anywhere; it is never unmapped.
    let memory = unsafe {
        mmap_anonymous(
            None,
            size,
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            flags,
        )
    }?;
    // SAFETY: the mapping is zeroed, aligned, and stays for the life of the process.
    let word: &'static AtomicU32 = unsafe { memory.cast().as_ref() };
    let waker = crate::harness::child(|| {
        word.store(1, SeqCst);
        while futex(word, libc::FUTEX_WAKE, 1, None) == Ok(0) && word.load(SeqCst) == 1 {
            thread::yield_now();
        }
        0
    })?;
    while word.load(SeqCst) == 0 {
        let _ = futex(word, libc::FUTEX_WAIT, 0, None);
    }
    word.store(2, SeqCst);
    crate::harness::succeeds(waker)
}
