//! What real-time threads leave to the others.

use super::calls::set;
use crate::cpus::{SELF, allowed, stay_on};
use crate::harness::{Outcome, Test};
use nix::errno::Errno;
use nix::sched::{sched_getaffinity, sched_setaffinity};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};

pub const TESTS: &[Test] = &[
    (
        "scheduling.realtime_leaves_something",
        realtime_leaves_something,
    ),
    ("scheduling.share_of_realtime", share_of_realtime),
];

/// A real-time spinner on every CPU: an ordinary process still gets on, on each of them.
fn realtime_leaves_something() -> Outcome {
    let before = sched_getaffinity(SELF)?;
    for cpu in allowed()? {
        let stop = Arc::new(AtomicBool::new(false));
        let (rounds, until) = (Arc::new(AtomicU64::new(0)), Arc::clone(&stop));
        let counted = Arc::clone(&rounds);
        stay_on(cpu)?;
        let spinner = std::thread::spawn(move || {
            set(0, libc::SCHED_FIFO, 1)?;
            while !until.load(SeqCst) {
                counted.fetch_add(1, SeqCst);
            }
            Ok::<_, Errno>(())
        });
        // It spins, as it must run before the count moves; and yet this goes on.
        let mut seen = 0;
        for _ in 0..3 {
            while rounds.load(SeqCst) == seen {
                std::thread::yield_now();
            }
            seen = rounds.load(SeqCst);
        }
        stop.store(true, SeqCst);
        spinner.join().map_err(|_| "panic")??;
        sched_setaffinity(SELF, &before)?;
    }
    Ok(())
}

/// As a program: a real-time thread spins on every CPU until standard input ends. Says `spinning`
/// once all do.
pub fn spin_everywhere() -> ExitCode {
    static STOP: AtomicBool = AtomicBool::new(false);
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (ready, started) = std::sync::mpsc::channel();
    for _ in 0..cpus {
        let ready = ready.clone();
        std::thread::spawn(move || {
            let _ = ready.send(set(0, libc::SCHED_FIFO, 50));
            while !STOP.load(SeqCst) {
                std::hint::spin_loop();
            }
        });
    }
    if started.iter().take(cpus).any(|result| result.is_err()) {
        return ExitCode::FAILURE;
    }
    println!("spinning");
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    STOP.store(true, SeqCst);
    ExitCode::SUCCESS
}

/// What real-time threads may use can be set; what makes no sense is refused.
fn share_of_realtime() -> Outcome {
    let [period, runtime] =
        ["period", "runtime"].map(|name| format!("/proc/sys/kernel/sched_rt_{name}_us"));
    let read = |path: &str| std::fs::read_to_string(path).map(|text| text.trim().parse::<i64>());
    let before = read(&runtime)??;
    let error = |path: &str, value: i64| {
        let written = std::fs::write(path, format!("{value}\n"));
        written.err().and_then(|error| error.raw_os_error())
    };
    ensure_eq!(error(&runtime, read(&period)?? + 1), Some(libc::EINVAL));
    ensure_eq!(error(&period, 0), Some(libc::EINVAL));
    ensure_eq!(read(&runtime)??, before);
    ensure_eq!(error(&runtime, -1), None);
    let unlimited = read(&runtime)??;
    ensure_eq!(error(&runtime, before), None);
    ensure_eq!((unlimited, read(&runtime)??), (-1, before));
    Ok(())
}
