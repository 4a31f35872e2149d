//! Clocks that go forward on every CPU, sleeps that last, timers in order.

use crate::harness::{Failure, Outcome, Test, child, succeeds};
use crate::interval::alarm_each;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::time::{ClockId, clock_getres, clock_gettime};
use nix::unistd::{Pid, getpid};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime};

pub const TESTS: &[Test] = &[
    ("time.monotonic_on_every_cpu", monotonic_on_every_cpu),
    ("time.sleep_lasts", sleep_lasts),
    ("time.sleepers_wake_in_order", sleepers_wake_in_order),
    (
        "time.interrupted_sleep_tells_rest",
        interrupted_sleep_tells_rest,
    ),
    ("time.real_clock", real_clock),
    ("time.resolution", resolution),
    ("time.interval_timer", interval_timer),
    ("time.processor_time", processor_time),
    ("time.sleepers_block_nobody", sleepers_block_nobody),
    ("time.tiny_timerfd_periods", tiny_timerfd_periods),
    ("time.tiny_timer_periods", tiny_timer_periods),
];

fn monotonic_on_every_cpu() -> Outcome {
    let all = sched_getaffinity(Pid::from_raw(0))?;
    let mut last = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    for _ in 0..50 {
        for cpu in (0..CpuSet::count()).filter(|&cpu| all.is_set(cpu).unwrap_or(false)) {
            let mut one = CpuSet::new();
            one.set(cpu)?;
            sched_setaffinity(Pid::from_raw(0), &one)?;
            for _ in 0..20 {
                let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
                ensure!(now >= last, "CPU {cpu} says {now} after {last}");
                last = now;
            }
        }
    }
    Ok(())
}

fn sleep_lasts() -> Outcome {
    for sleep in [0, 1, 5, 50].map(Duration::from_millis) {
        let started = Instant::now();
        std::thread::sleep(sleep);
        ensure!(started.elapsed() >= sleep);
    }
    Ok(())
}

fn sleepers_wake_in_order() -> Outcome {
    // Far enough apart that a loaded machine keeps them apart too.
    let (sender, receiver) = std::sync::mpsc::channel();
    for place in [3_u64, 1, 4, 2] {
        let sender = sender.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300 * place));
            let _ = sender.send(place);
        });
    }
    drop(sender);
    ensure_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
    Ok(())
}

static TICKS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn tick(_: i32) {
    TICKS.fetch_add(1, SeqCst);
}

fn count_ticks(signal: Signal) -> Outcome {
    let action = SigAction::new(SigHandler::Handler(tick), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler touches an atomic only.
    unsafe { sigaction(signal, &action) }?;
    Ok(())
}

fn interrupted_sleep_tells_rest() -> Outcome {
    count_ticks(Signal::SIGUSR1)?;
    let parent = getpid();
    // Again and again until heard: the first may come before we sleep.
    let sender = child(|| {
        while kill(parent, Signal::SIGUSR1).is_ok() && nix::unistd::getppid() == parent {
            std::thread::sleep(Duration::from_millis(50));
        }
        0
    })?;
    let wanted = libc::timespec {
        tv_sec: 100,
        tv_nsec: 0,
    };
    let mut rest = libc::timespec {
        tv_sec: -1,
        tv_nsec: -1,
    };
    // SAFETY: both outlive the call.
    let answer = unsafe { libc::nanosleep(&raw const wanted, &raw mut rest) };
    kill(sender, Signal::SIGKILL)?;
    nix::sys::wait::waitpid(sender, None)?;
    ensure_eq!(answer, -1);
    ensure!(
        (0..100).contains(&rest.tv_sec),
        "{} s are left",
        rest.tv_sec
    );
    Ok(())
}

fn real_clock() -> Outcome {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    ensure!(
        now.as_secs() > 1_600_000_000,
        "{} s since 1970",
        now.as_secs()
    );
    Ok(())
}

fn resolution() -> Outcome {
    for clock in [ClockId::CLOCK_MONOTONIC, ClockId::CLOCK_REALTIME] {
        let resolution = clock_getres(clock)?;
        ensure!(resolution.tv_sec() == 0 && resolution.tv_nsec() < 20_000_000);
    }
    Ok(())
}

fn interval_timer() -> Outcome {
    count_ticks(Signal::SIGALRM)?;
    let started = Instant::now();
    alarm_each(Duration::from_millis(5))?;
    while TICKS.load(SeqCst) < 5 {
        std::thread::sleep(Duration::from_millis(1));
    }
    ensure!(started.elapsed() >= Duration::from_millis(25));
    Ok(())
}

fn processor_time() -> Outcome {
    let start = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    std::thread::sleep(Duration::from_millis(50));
    let slept = Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)? - start);
    let started = Instant::now();
    while Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)? - start)
        < slept + Duration::from_millis(50)
    {}
    ensure!(
        slept < Duration::from_millis(40),
        "sleeping took {slept:?} of processor time"
    );
    ensure!(started.elapsed() >= Duration::from_millis(49));
    Ok(())
}

fn sleepers_block_nobody() -> Outcome {
    let sleepers: Vec<_> = (0..20)
        .map(|_| {
            child(|| {
                std::thread::sleep(Duration::from_millis(500));
                0
            })
        })
        .collect::<Result<_, _>>()?;
    let worker = child(|| 0)?;
    succeeds(worker)?;
    let started = Instant::now();
    for sleeper in sleepers {
        succeeds(sleeper)?;
    }
    // One after another they would take ten seconds.
    ensure!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
    Ok(())
}

/// A period no machine keeps up with is counted, and leaves time to run.
fn tiny_timerfd_periods() -> Outcome {
    use nix::sys::time::TimeSpec;
    use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
    let timers = (0..16)
        .map(|_| TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::empty()))
        .collect::<nix::Result<Vec<_>>>()?;
    let period = Expiration::Interval(TimeSpec::new(0, 1));
    for timer in &timers {
        timer.set(period, TimerSetTimeFlags::empty())?;
    }
    std::thread::sleep(Duration::from_millis(20));
    for timer in &timers {
        let mut count = [0; 8];
        ensure_eq!(nix::unistd::read(timer, &mut count)?, 8);
        ensure!(u64::from_ne_bytes(count) >= 20_000_000);
        ensure_eq!(nix::unistd::read(timer, &mut count)?, 8);
    }
    Ok(())
}

/// The same for timers that signal: one signal waits, the periods it stands for are its overrun.
fn tiny_timer_periods() -> Outcome {
    let signals = [Signal::SIGALRM, Signal::SIGUSR1];
    signals.into_iter().collect::<SigSet>().thread_block()?;
    alarm_each(Duration::from_micros(1))?;
    let timers = start_tiny_timers()?;
    std::thread::sleep(Duration::from_millis(20));
    for signal in signals {
        let wanted = SigSet::from(signal);
        for _ in 0..50 {
            ensure_eq!(wanted.wait()?, signal);
        }
    }
    // SAFETY: `timers` are this test's own; an ignored signal has no handler.
    unsafe {
        libc::signal(libc::SIGALRM, libc::SIG_IGN);
        libc::signal(libc::SIGUSR1, libc::SIG_IGN);
        std::thread::sleep(Duration::from_millis(20));
        timers.into_iter().try_for_each(|timer| {
            ensure_eq!(libc::timer_delete(timer), 0);
            Ok(())
        })
    }
}

/// Each sends SIGUSR1 every nanosecond.
fn start_tiny_timers() -> Result<[libc::timer_t; 16], Failure> {
    let moment = libc::timespec {
        tv_sec: 0,
        tv_nsec: 1,
    };
    let every = libc::itimerspec {
        it_interval: moment,
        it_value: moment,
    };
    // SAFETY: all zero is a value of it.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = libc::SIGUSR1;
    let mut timers = [std::ptr::null_mut(); 16];
    for timer in &mut timers {
        // SAFETY: event and timer outlive the call.
        let made = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, timer) };
        ensure_eq!(made, 0);
        // SAFETY: the timer was just made, and the old setting is not asked for.
        let set = unsafe { libc::timer_settime(*timer, 0, &every, std::ptr::null_mut()) };
        ensure_eq!(set, 0);
    }
    Ok(timers)
}
