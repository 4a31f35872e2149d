//! Timers and limits on processor time: they count what is used, and nothing else.

use crate::harness::{Failure, Outcome, Test, child, end_of, status_of, succeeds};
use crate::interval::{after, left, start};
use nix::sys::resource::{Resource, UsageWho, getrusage, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::time::TimeValLike;
use nix::sys::wait::WaitStatus;
use nix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

pub const TESTS: &[Test] = &[
    ("cpu_time.profiling_timer", profiling_timer),
    ("cpu_time.virtual_timer", virtual_timer),
    ("cpu_time.periods", periods),
    ("cpu_time.all_threads_count", all_threads_count),
    ("cpu_time.later_threads_count", later_threads_count),
    ("cpu_time.own_thread_counts", own_thread_counts),
    ("cpu_time.another_thread_counts", another_thread_counts),
    ("cpu_time.child_counts_for_itself", child_counts_for_itself),
    ("cpu_time.another_process_counts", another_process_counts),
    ("cpu_time.rest_is_told", rest_is_told),
    ("cpu_time.deleted_timer", deleted_timer),
    ("cpu_time.no_such_clock", no_such_clock),
    ("cpu_time.number_is_an_int", number_is_an_int),
    ("cpu_time.limit_ends", limit_ends),
    ("cpu_time.limit_is_not_put_off", limit_is_not_put_off),
    ("cpu_time.limit_warns_and_kills", limit_warns_and_kills),
];

const MS: Duration = Duration::from_millis(1);

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: i32) {
    SIGNALS.fetch_add(1, SeqCst);
}

fn count_signals(signal: Signal) -> Outcome {
    let action = SigAction::new(
        SigHandler::Handler(count),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler touches an atomic only.
    unsafe { sigaction(signal, &action) }?;
    Ok(())
}

fn used() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

fn used_by_thread() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Interval timers and limits count what Linux samples at ticks, which errs a little; the clocks of
/// POSIX timers are exact.
fn nearly(time: Duration) -> Duration {
    time * 3 / 4
}

fn spin_until(done: impl Fn() -> bool) {
    while !done() {
        std::hint::spin_loop();
    }
}

fn spin_for(time: Duration) {
    let end = used_by_thread() + time;
    spin_until(|| used_by_thread() >= end);
}

/// Time in which nothing runs does not count, and the timer is not forgotten over it.
fn fires_when_used(which: libc::c_int, signal: Signal) -> Outcome {
    count_signals(signal)?;
    let before = used();
    start(which, 60 * MS, Duration::ZERO)?;
    std::thread::sleep(200 * MS);
    let slept = (SIGNALS.load(SeqCst), used() - before);
    ensure!(
        slept.0 == 0 || slept.1 >= 60 * MS,
        "a signal after {:?} of processor time",
        slept.1
    );
    spin_for(10 * MS);
    std::thread::sleep(100 * MS);
    spin_until(|| SIGNALS.load(SeqCst) > 0);
    let took = used() - before;
    ensure!(took >= nearly(60 * MS), "a signal after {took:?} of 60 ms");
    spin_for(80 * MS);
    ensure_eq!(SIGNALS.load(SeqCst), 1);
    Ok(())
}

fn profiling_timer() -> Outcome {
    fires_when_used(libc::ITIMER_PROF, Signal::SIGPROF)
}

fn virtual_timer() -> Outcome {
    fires_when_used(libc::ITIMER_VIRTUAL, Signal::SIGVTALRM)
}

fn periods() -> Outcome {
    count_signals(Signal::SIGPROF)?;
    let before = used();
    start(libc::ITIMER_PROF, 20 * MS, 20 * MS)?;
    spin_until(|| SIGNALS.load(SeqCst) >= 5);
    let took = used() - before;
    ensure!(
        took >= nearly(100 * MS),
        "five periods of 20 ms in {took:?}"
    );
    Ok(())
}

/// The clock of a process or thread (clock_getcpuclockid(3)).
fn clock(id: i32, thread: bool, kind: i32) -> libc::clockid_t {
    !id << 3 | i32::from(thread) << 2 | kind
}

const RUN_TIME: i32 = 2;

/// Threads that spin until told to stop.
struct Spinners {
    tids: Vec<i32>,
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<Duration>>,
}

impl Spinners {
    fn new(count: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = |_| {
            let (stop, sender) = (stop.clone(), sender.clone());
            std::thread::spawn(move || {
                let _ = sender.send(nix::unistd::gettid().as_raw());
                spin_until(|| stop.load(SeqCst));
                used_by_thread()
            })
        };
        let threads = (0..count).map(thread).collect();
        Self {
            tids: receiver.iter().take(count).collect(),
            stop,
            threads,
        }
    }

    fn stop(self) -> Vec<Duration> {
        self.stop.store(true, SeqCst);
        let used = |thread: std::thread::JoinHandle<Duration>| thread.join().unwrap_or_default();
        self.threads.into_iter().map(used).collect()
    }
}

/// A process's clock goes while any of its threads runs, as fast as they are many.
fn all_threads_count() -> Outcome {
    SigSet::from(Signal::SIGPROF).thread_block()?;
    let before = used();
    start(libc::ITIMER_PROF, 100 * MS, Duration::ZERO)?;
    let spinners = Spinners::new(3);
    ensure_eq!(SigSet::from(Signal::SIGPROF).wait()?, Signal::SIGPROF);
    let took = used() - before;
    let each = spinners.stop();
    ensure!(
        took >= nearly(100 * MS),
        "a signal after {took:?} of 100 ms"
    );
    ensure!(
        each.iter().any(|&one| one < took),
        "one thread used all of {took:?}: {each:?}"
    );
    Ok(())
}

/// So it does with threads that are made once a timer is set. That is long beside what a waiting
/// thread may wait for an emulated CPU, while the others use time.
fn later_threads_count() -> Outcome {
    let timer = 3_000 * MS;
    SigSet::from(Signal::SIGPROF).thread_block()?;
    let before = used();
    start(libc::ITIMER_PROF, timer, Duration::ZERO)?;
    let spinners = Spinners::new(3);
    ensure_eq!(SigSet::from(Signal::SIGPROF).wait()?, Signal::SIGPROF);
    let took = used() - before;
    spinners.stop();
    ensure!(took < timer * 2, "a signal after {took:?} of {timer:?}");
    Ok(())
}

struct Posix(libc::timer_t);

impl Posix {
    /// A timer that sends SIGUSR1.
    fn new(clock: libc::clockid_t) -> Result<Self, Failure> {
        // SAFETY: all zero is a value of it.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_SIGNAL;
        event.sigev_signo = libc::SIGUSR1;
        let mut timer = std::ptr::null_mut();
        // SAFETY: both outlive the call.
        nix::errno::Errno::result(unsafe { libc::timer_create(clock, &mut event, &mut timer) })?;
        Ok(Self(timer))
    }

    fn set(&self, flags: i32, first: Duration) -> Outcome {
        let value = |time: Duration| libc::timespec {
            tv_sec: time.as_secs() as i64,
            tv_nsec: time.subsec_nanos().into(),
        };
        let new = libc::itimerspec {
            it_interval: value(Duration::ZERO),
            it_value: value(first),
        };
        // SAFETY: it outlives the call; the old setting is not asked for.
        let answer =
            unsafe { libc::timer_settime(self.0, flags, &raw const new, std::ptr::null_mut()) };
        ensure_eq!(answer, 0);
        Ok(())
    }
}

fn own_thread_counts() -> Outcome {
    count_signals(Signal::SIGUSR1)?;
    let timer = Posix::new(libc::CLOCK_THREAD_CPUTIME_ID)?;
    let end = used_by_thread() + 60 * MS;
    timer.set(libc::TIMER_ABSTIME, end)?;
    std::thread::spawn(|| spin_for(100 * MS))
        .join()
        .map_err(|_| Failure("the other thread".into()))?;
    let early = SIGNALS.load(SeqCst) > 0 && used_by_thread() < end;
    ensure!(!early, "another thread's time counted");
    spin_until(|| SIGNALS.load(SeqCst) > 0);
    ensure!(used_by_thread() >= end);
    Ok(())
}

fn another_thread_counts() -> Outcome {
    SigSet::from(Signal::SIGUSR1).thread_block()?;
    let spinner = Spinners::new(1);
    let timer = Posix::new(clock(spinner.tids[0], true, RUN_TIME))?;
    timer.set(0, 50 * MS)?;
    let mine = used_by_thread();
    ensure_eq!(SigSet::from(Signal::SIGUSR1).wait()?, Signal::SIGUSR1);
    let mine = used_by_thread() - mine;
    let used = spinner.stop();
    ensure!(used[0] >= 50 * MS, "a signal after {:?}", used[0]);
    ensure!(mine < 50 * MS, "the waiting thread used {mine:?}");
    Ok(())
}

/// A child starts with no timer and no time used.
fn child_counts_for_itself() -> Outcome {
    count_signals(Signal::SIGPROF)?;
    start(libc::ITIMER_PROF, 10_000 * MS, Duration::ZERO)?;
    succeeds(child(|| {
        status_of((|| {
            ensure_eq!(left(libc::ITIMER_PROF)?, Duration::ZERO);
            spin_for(20 * MS);
            ensure_eq!(SIGNALS.load(SeqCst), 0);
            Ok(())
        })())
    })?)
}

fn another_process_counts() -> Outcome {
    SigSet::from(Signal::SIGUSR1).thread_block()?;
    let spinner = child(|| {
        loop {
            std::hint::spin_loop();
        }
    })?;
    let mut clock = 0;
    // SAFETY: the clock outlives the call.
    let found = unsafe { libc::clock_getcpuclockid(spinner.as_raw(), &mut clock) };
    ensure_eq!(found, 0);
    let timer = Posix::new(clock)?;
    timer.set(0, 50 * MS)?;
    ensure_eq!(SigSet::from(Signal::SIGUSR1).wait()?, Signal::SIGUSR1);
    let its = Duration::from(clock_gettime(ClockId::from_raw(clock))?);
    nix::sys::signal::kill(spinner, Signal::SIGKILL)?;
    nix::sys::wait::waitpid(spinner, None)?;
    ensure!(its >= 50 * MS, "a signal after {its:?}");
    Ok(())
}

fn rest_is_told() -> Outcome {
    let which = libc::ITIMER_VIRTUAL;
    ensure_eq!(left(which)?, Duration::ZERO);
    ensure_eq!(start(which, 10_000 * MS, Duration::ZERO)?, Duration::ZERO);
    spin_for(200 * MS);
    let rest = left(which)?;
    ensure!(
        (1_000 * MS..10_000 * MS).contains(&rest),
        "{rest:?} are left of 10 s"
    );
    ensure!(start(which, Duration::ZERO, Duration::ZERO)? <= rest);
    ensure_eq!(left(which)?, Duration::ZERO);
    Ok(())
}

fn deleted_timer() -> Outcome {
    count_signals(Signal::SIGUSR1)?;
    let timer = Posix::new(libc::CLOCK_PROCESS_CPUTIME_ID)?;
    timer.set(0, 2_000 * MS)?;
    // SAFETY: the timer is there, once.
    ensure_eq!(unsafe { libc::timer_delete(timer.0) }, 0);
    let other = Posix::new(libc::CLOCK_PROCESS_CPUTIME_ID)?;
    other.set(0, 20 * MS)?;
    spin_until(|| SIGNALS.load(SeqCst) > 0);
    spin_for(20 * MS);
    ensure_eq!(SIGNALS.load(SeqCst), 1);
    Ok(())
}

fn no_such_clock() -> Outcome {
    let init = 1;
    for (clock, what) in [
        (clock(0, false, 3), "of no kind"),
        (clock(0x3f_ffff, false, RUN_TIME), "of no process"),
        (clock(init, true, RUN_TIME), "of another process's thread"),
    ] {
        ensure!(Posix::new(clock).is_err(), "a timer on the clock {what}");
    }
    Ok(())
}

/// What the upper half of its register has does not matter.
fn number_is_an_int() -> Outcome {
    let (number, mut now) = (libc::c_long::from(libc::ITIMER_PROF), after(MS, MS));
    // SAFETY: the value outlives the call.
    let answer = unsafe { libc::syscall(libc::SYS_getitimer, number | 1 << 32, &raw mut now) };
    ensure_eq!(answer, 0);
    Ok(())
}

/// Uses time until something happens to it.
fn spin_for_ever() -> i32 {
    spin_until(|| false);
    0
}

fn limit_ends() -> Outcome {
    let end = end_of(|| {
        // The limit is handed on, the time used is not.
        spin_for(500 * MS);
        let limited = setrlimit(Resource::RLIMIT_CPU, 1, 5).map_err(Failure::from);
        let end = limited.and_then(|()| end_of(spin_for_ever));
        status_of(end.and_then(|end| {
            ensure!(
                matches!(end, WaitStatus::Signaled(_, Signal::SIGXCPU, _)),
                "{end:?}"
            );
            let its = getrusage(UsageWho::RUSAGE_CHILDREN)?;
            let its_ms = (its.user_time() + its.system_time()).num_milliseconds();
            ensure!(its_ms >= 750, "ended after {its_ms} ms of a second");
            Ok(())
        }))
    })?;
    ensure!(matches!(end, WaitStatus::Exited(_, 0)), "{end:?}");
    Ok(())
}

/// Whoever sets a far timer again and again is stopped by the limit all the same.
fn limit_is_not_put_off() -> Outcome {
    let end = end_of(|| {
        let sets = || start(libc::ITIMER_PROF, 100_000_000 * MS, Duration::ZERO).is_err();
        if setrlimit(Resource::RLIMIT_CPU, 1, 5).is_err() {
            return 1;
        }
        spin_until(|| sets() || used() >= 3_000 * MS);
        2
    })?;
    ensure!(
        matches!(end, WaitStatus::Signaled(_, Signal::SIGXCPU, _)),
        "{end:?}"
    );
    Ok(())
}

fn limit_warns_and_kills() -> Outcome {
    let (reader, writer) = nix::unistd::pipe()?;
    let end = end_of(|| {
        let ready = count_signals(Signal::SIGXCPU);
        if ready.is_err() || setrlimit(Resource::RLIMIT_CPU, 1, 2).is_err() {
            return 1;
        }
        spin_until(|| SIGNALS.load(SeqCst) > 0);
        let used_ms = used().as_millis() as u64;
        let _ = nix::unistd::write(&writer, &used_ms.to_ne_bytes());
        spin_for_ever()
    })?;
    ensure!(
        matches!(end, WaitStatus::Signaled(_, Signal::SIGKILL, _)),
        "{end:?}"
    );
    let mut used_ms = [0; 8];
    ensure_eq!(nix::unistd::read(&reader, &mut used_ms)?, 8);
    let used = Duration::from_millis(u64::from_ne_bytes(used_ms));
    ensure!(
        used >= nearly(1_000 * MS),
        "warned after {used:?} of a second"
    );
    Ok(())
}
