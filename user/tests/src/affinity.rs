//! Where threads may run, and whether they obey.

use crate::cpus::{SELF, allowed, only, stay_on};
use crate::harness::{Failure, Outcome, Test, child};
use crate::programs;
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getcpu, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, gettid};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::SeqCst};

pub const TESTS: &[Test] = &[
    ("affinity.default_is_all", default_is_all),
    ("affinity.moves_at_once", moves_at_once),
    ("affinity.pinned_stays", pinned_stays),
    ("affinity.moves_running_thread", moves_running_thread),
    ("affinity.moves_sleeping_process", moves_sleeping_process),
    ("affinity.inherited", inherited),
    ("affinity.wrong_sets", wrong_sets),
    ("affinity.work_spreads_to_all", work_spreads_to_all),
    ("affinity.change_under_load", change_under_load),
    ("affinity.knows_its_node", knows_its_node),
];

fn default_is_all() -> Outcome {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online")?;
    ensure!(!allowed()?.is_empty());
    ensure_eq!(
        std::thread::available_parallelism()?.get(),
        allowed()?.len()
    );
    ensure!(online.starts_with('0'));
    Ok(())
}

fn moves_at_once() -> Outcome {
    let cpus = allowed()?;
    for round in 0..100 {
        let cpu = cpus[round % cpus.len()];
        stay_on(cpu)?;
        ensure_eq!(sched_getcpu()?, cpu);
        ensure_eq!(allowed()?, [cpu]);
    }
    Ok(())
}

/// getcpu(2) and sysfs tell the same memory node, where the machine has any.
fn knows_its_node() -> Outcome {
    for cpu in allowed()? {
        stay_on(cpu)?;
        let (mut here, mut node) = (u32::MAX, u32::MAX);
        let no_cache: *const u8 = std::ptr::null();
        // SAFETY: both are places for one number.
        let result =
            unsafe { libc::syscall(libc::SYS_getcpu, &raw mut here, &raw mut node, no_cache) };
        ensure_eq!((result, here as usize), (0, cpu));
        match std::fs::read_to_string(format!("/sys/devices/system/node/node{node}/cpulist")) {
            Ok(list) => ensure!(ranges(&list).any(|range| range.contains(&cpu))),
            Err(_) => ensure_eq!(node, 0),
        }
    }
    Ok(())
}

/// Of a list as in `0-3,6`.
fn ranges(list: &str) -> impl Iterator<Item = std::ops::RangeInclusive<usize>> {
    list.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    })
}

fn pinned_stays() -> Outcome {
    let cpus = allowed()?;
    let stop = Arc::new(AtomicBool::new(false));
    let noise: Vec<_> = (0..2 * cpus.len())
        .map(|_| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(SeqCst) {
                    std::thread::yield_now();
                }
            })
        })
        .collect();
    let cpu = cpus[cpus.len() / 2];
    stay_on(cpu)?;
    let strayed = (0..20_000).find(|round| {
        if round % 100 == 0 {
            std::thread::yield_now();
        }
        sched_getcpu() != Ok(cpu)
    });
    stop.store(true, SeqCst);
    ensure!(noise.into_iter().all(|thread| thread.join().is_ok()));
    ensure_eq!(strayed, None);
    Ok(())
}

/// A thread that runs all the time, tells where, and notices where it should not be.
struct Runner {
    id: Pid,
    seen: Arc<Seen>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct Seen {
    cpu: AtomicI32,
    expected: AtomicI32,
    strayed: AtomicI32,
    rounds: AtomicUsize,
    stop: AtomicBool,
}

const ANYWHERE: i32 = -1;

impl Seen {
    fn look(&self) {
        let expected = self.expected.load(SeqCst);
        let cpu = sched_getcpu().map_or(i32::MAX, |cpu| cpu as i32);
        self.cpu.store(cpu, SeqCst);
        if ![ANYWHERE, cpu].contains(&expected) {
            self.strayed.store(cpu, SeqCst);
        }
        self.rounds.fetch_add(1, SeqCst);
    }
}

impl Runner {
    fn start() -> Result<Self, Failure> {
        let seen = Arc::new(Seen {
            cpu: AtomicI32::new(ANYWHERE),
            expected: AtomicI32::new(ANYWHERE),
            strayed: AtomicI32::new(ANYWHERE),
            rounds: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let (sender, receiver) = std::sync::mpsc::channel();
        let mine = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            let _ = sender.send(gettid());
            while !mine.stop.load(SeqCst) {
                mine.look();
            }
        });
        Ok(Self {
            id: receiver.recv()?,
            seen,
            thread: Some(thread),
        })
    }

    /// From now on it is to run there, and twice it has looked whether it does.
    fn expect(&self, cpu: i32) {
        self.seen.expected.store(cpu, SeqCst);
        let now = self.seen.rounds.load(SeqCst);
        while self.seen.rounds.load(SeqCst) < now + 2 {
            std::thread::yield_now();
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.seen.stop.store(true, SeqCst);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// It has left when the call returns, and does not only leave soon.
fn moves_running_thread() -> Outcome {
    let cpus = allowed()?;
    let runner = Runner::start()?;
    for round in 0..200 {
        let cpu = cpus[round % cpus.len()];
        sched_setaffinity(runner.id, &only(cpu)?)?;
        runner.expect(cpu as i32);
        ensure_eq!(runner.seen.strayed.load(SeqCst), ANYWHERE);
        runner.expect(ANYWHERE);
    }
    Ok(())
}

fn moves_sleeping_process() -> Outcome {
    let cpus = allowed()?;
    let (reader, writer) = nix::unistd::pipe()?;
    let (answers, answer) = nix::unistd::pipe()?;
    let sleeper = child(|| {
        while nix::unistd::read(&reader, &mut [0]) == Ok(1) {
            let cpu = sched_getcpu().map_or(255, |cpu| cpu as u8);
            let _ = nix::unistd::write(&answer, &[cpu]);
        }
        0
    })?;
    for round in 0..20 {
        let cpu = cpus[round % cpus.len()];
        sched_setaffinity(sleeper, &only(cpu)?)?;
        nix::unistd::write(&writer, b"x")?;
        let mut found = [0];
        nix::unistd::read(&answers, &mut found)?;
        ensure_eq!(usize::from(found[0]), cpu);
    }
    kill(sleeper, Signal::SIGKILL)?;
    nix::sys::wait::waitpid(sleeper, None)?;
    Ok(())
}

fn inherited() -> Outcome {
    let cpu = *allowed()?.last().ok_or("no CPU")?;
    stay_on(cpu)?;
    let output = programs::command("affinity").output()?;
    ensure_eq!(String::from_utf8(output.stdout)?.trim(), cpu.to_string());
    let thread = std::thread::spawn(|| allowed().map_err(|_| ()));
    ensure_eq!(thread.join().map_err(|_| ()), Ok(Ok(vec![cpu])));
    Ok(())
}

fn wrong_sets() -> Outcome {
    ensure_eq!(sched_setaffinity(SELF, &CpuSet::new()), Err(Errno::EINVAL));
    ensure_eq!(
        sched_setaffinity(SELF, &only(CpuSet::count() - 1)?),
        Err(Errno::EINVAL)
    );
    ensure_eq!(
        sched_setaffinity(Pid::from_raw(4_000_000), &only(0)?),
        Err(Errno::ESRCH)
    );
    Ok(())
}

fn work_spreads_to_all() -> Outcome {
    let cpus = allowed()?;
    let runners: Vec<Runner> = (0..2 * cpus.len())
        .map(|_| Runner::start())
        .collect::<Result<_, _>>()?;
    // However long it takes on a loaded machine: each CPU must come to run one of them.
    let mut missing: Vec<usize> = cpus;
    while !missing.is_empty() {
        runners
            .iter()
            .for_each(|runner| missing.retain(|&cpu| cpu as i32 != runner.seen.cpu.load(SeqCst)));
        std::thread::yield_now();
    }
    Ok(())
}

fn change_under_load() -> Outcome {
    let cpus = allowed()?;
    let runners: Vec<Runner> = (0..2 * cpus.len())
        .map(|_| Runner::start())
        .collect::<Result<_, _>>()?;
    for round in 0..30 {
        for (index, runner) in runners.iter().enumerate() {
            sched_setaffinity(runner.id, &only(cpus[(round + index) % cpus.len()])?)?;
        }
    }
    for (index, runner) in runners.iter().enumerate() {
        runner.expect(cpus[(29 + index) % cpus.len()] as i32);
        ensure_eq!(runner.seen.strayed.load(SeqCst), ANYWHERE);
    }
    Ok(())
}
