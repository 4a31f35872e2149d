//! CPUs off and on through /sys: what stays and what is told. Needs root. On Linux these tests
//! do nothing unless `TESTS_MAY_SWITCH_CPUS` is set: the CPUs there are somebody's.

use crate::cpus::{SELF, stay_on};
use crate::harness::{Failure, Outcome, Test};
use nix::errno::Errno;
use nix::sched::{sched_getaffinity, sched_getcpu};
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

pub const TESTS: &[Test] = &[
    ("hotplug.wrong_words", wrong_words),
    ("hotplug.files_and_calls_agree", files_and_calls_agree),
    ("hotplug.bound_thread_goes_on", bound_thread_goes_on),
    ("hotplug.nothing_stops", nothing_stops),
];

const CPUS: &str = "/sys/devices/system/cpu";

fn switch(cpu: usize, word: &str) -> Result<(), Errno> {
    let path = format!("{CPUS}/cpu{cpu}/online");
    let file = std::fs::OpenOptions::new().write(true).open(path);
    let written = file.and_then(|mut file| file.write_all(word.as_bytes()));
    written.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
}

/// The CPUs besides CPU 0 that may be switched here.
fn switchable() -> Vec<usize> {
    let asked = std::env::var_os("TESTS_MAY_SWITCH_CPUS").is_some();
    let ours = std::path::Path::new("/proc/weft").exists();
    if !nix::unistd::geteuid().is_root() || !(asked || ours) {
        return Vec::new();
    }
    let exists = |cpu: &usize| std::path::Path::new(&format!("{CPUS}/cpu{cpu}/online")).exists();
    (1..1024).take_while(exists).collect()
}

/// Brings everything back when a test ends, however that is.
struct Restore(Vec<usize>);

impl Drop for Restore {
    fn drop(&mut self) {
        for &cpu in &self.0 {
            let _ = switch(cpu, "1");
        }
    }
}

fn text(name: &str) -> Result<String, Failure> {
    Ok(std::fs::read_to_string(name)?)
}

fn wrong_words() -> Outcome {
    let cpus = switchable();
    let Some(&cpu) = cpus.last() else {
        return Ok(());
    };
    let _restore = Restore(cpus);
    for word in ["", "2", "x", "-1"] {
        // Writing nothing is no call at all.
        let expected = if word.is_empty() {
            Ok(())
        } else {
            Err(Errno::EINVAL)
        };
        ensure_eq!(switch(cpu, word), expected);
    }
    ensure_eq!(switch(cpu, "1"), Ok(()));
    ensure_eq!(switch(cpu, "0"), Ok(()));
    ensure_eq!(switch(cpu, "0\n"), Ok(()));
    Ok(())
}

fn files_and_calls_agree() -> Outcome {
    let cpus = switchable();
    let Some(&cpu) = cpus.last() else {
        return Ok(());
    };
    let before = text(&format!("{CPUS}/online"))?;
    let _restore = Restore(cpus);
    ensure_eq!(switch(cpu, "0"), Ok(()));
    ensure_eq!(text(&format!("{CPUS}/offline"))?.trim(), cpu.to_string());
    ensure_eq!(text(&format!("{CPUS}/cpu{cpu}/online"))?, "0\n");
    ensure!(!text("/proc/stat")?.contains(&format!("cpu{cpu} ")));
    ensure!(!sched_getaffinity(SELF)?.is_set(cpu)?);
    ensure_eq!(stay_on(cpu), Err(Errno::EINVAL));
    ensure_eq!(switch(cpu, "1"), Ok(()));
    ensure_eq!(text(&format!("{CPUS}/online"))?, before);
    ensure!(text("/proc/stat")?.contains(&format!("cpu{cpu} ")));
    ensure!(sched_getaffinity(SELF)?.is_set(cpu)?);
    stay_on(cpu)?;
    ensure_eq!(sched_getcpu()?, cpu);
    Ok(())
}

/// A thread bound to the CPU that goes, and that CPU being its own.
fn bound_thread_goes_on() -> Outcome {
    let cpus = switchable();
    let _restore = Restore(cpus.clone());
    for cpu in cpus {
        stay_on(cpu)?;
        ensure_eq!(sched_getcpu()?, cpu);
        ensure_eq!(switch(cpu, "0"), Ok(()));
        ensure!(sched_getcpu()? != cpu);
        ensure!(sched_getaffinity(SELF)?.is_set(0)?);
        ensure_eq!(switch(cpu, "1"), Ok(()));
    }
    Ok(())
}

/// Threads that compute with floating point, sleep, talk through a pipe and wait for timers, as CPUs
/// come and go.
fn nothing_stops() -> Outcome {
    let cpus = switchable();
    let _restore = Restore(cpus.clone());
    let stop = Arc::new(AtomicBool::new(false));
    let bodies: [fn(usize) -> bool; 4] = [sums, naps, pipes, timers];
    let count = bodies.len() * (cpus.len() + 1);
    let rounds: Arc<Vec<AtomicUsize>> = Arc::new((0..count).map(|_| AtomicUsize::new(0)).collect());
    let spawn = |index: usize| {
        let (stop, rounds, body) = (stop.clone(), rounds.clone(), bodies[index % bodies.len()]);
        std::thread::spawn(move || {
            let mut right = true;
            while right && !stop.load(SeqCst) {
                right = body(index);
                rounds[index].fetch_add(1, SeqCst);
            }
            right
        })
    };
    let threads: Vec<_> = (0..count).map(spawn).collect();
    for turn in 0..3 * cpus.len() {
        let cpu = cpus[turn % cpus.len()];
        for word in ["0", "1"] {
            let before: Vec<usize> = rounds.iter().map(|count| count.load(SeqCst)).collect();
            ensure_eq!(switch(cpu, word), Ok(()));
            let stuck = || (0..count).any(|n| rounds[n].load(SeqCst) == before[n]);
            while stuck() {
                std::thread::yield_now();
            }
        }
    }
    stop.store(true, SeqCst);
    let right = threads
        .into_iter()
        .all(|thread| thread.join().unwrap_or(false));
    ensure!(right, "a result was wrong");
    Ok(())
}

/// A sum whose value is known, through the floating-point registers.
fn sums(index: usize) -> bool {
    let mut sum = 0.0;
    for n in 1..=2000 {
        sum += std::hint::black_box(f64::from(n) * index as f64);
    }
    sum == 2_001_000.0 * index as f64
}

fn naps(index: usize) -> bool {
    let nap = std::time::Duration::from_micros(100 + index as u64);
    let start = std::time::Instant::now();
    std::thread::sleep(nap);
    start.elapsed() >= nap
}

/// Long enough that a CPU may go meanwhile, with the timer.
fn timers(_index: usize) -> bool {
    let spec = libc::itimerspec {
        it_interval: libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value: libc::timespec {
            tv_sec: 0,
            tv_nsec: 5_000_000,
        },
    };
    // SAFETY: takes numbers.
    let timer = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, 0) };
    if timer < 0 {
        return false;
    }
    // SAFETY: a descriptor that was just made.
    let timer = unsafe { std::os::fd::OwnedFd::from_raw_fd(timer) };
    // SAFETY: the structure is read only, and the old one is not asked for.
    let armed =
        unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &spec, std::ptr::null_mut()) } == 0;
    armed && nix::unistd::read(&timer, &mut [0; 8]) == Ok(8)
}

fn pipes(_index: usize) -> bool {
    let Ok((reader, writer)) = nix::unistd::pipe() else {
        return false;
    };
    let echo = std::thread::spawn(move || nix::unistd::write(&writer, b"x") == Ok(1));
    nix::unistd::read(&reader, &mut [0]) == Ok(1) && echo.join().unwrap_or(false)
}
