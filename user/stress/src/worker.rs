//! What one worker does until it is told to stop, and what it counted.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Cpu,
    Yield,
    Pipe,
    Fork,
    Memory,
}

/// One worker's account.
pub struct Outcome {
    pub kind: Kind,
    pub iterations: u64,
    /// CPU number -> how often the worker found itself there.
    pub seen: BTreeMap<i32, u64>,
    pub cpu_time: Duration,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Cpu, Self::Yield, Self::Pipe, Self::Fork, Self::Memory];

    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Yield => "yield",
            Self::Pipe => "pipe",
            Self::Fork => "fork",
            Self::Memory => "mem",
        }
    }

    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

pub fn run(kind: Kind, stop: &AtomicBool) -> Outcome {
    let mut seen = BTreeMap::new();
    let mut iterations = 0;
    let mut step = step_of(kind);
    while !stop.load(Ordering::Relaxed) {
        step();
        iterations += 1;
        *seen.entry(current_cpu()).or_default() += 1;
    }
    Outcome {
        kind,
        iterations,
        seen,
        cpu_time: cpu_time(),
    }
}

fn step_of(kind: Kind) -> Box<dyn FnMut()> {
    match kind {
        Kind::Cpu => Box::new(compute),
        Kind::Yield => Box::new(std::thread::yield_now),
        Kind::Pipe => bounce(),
        Kind::Fork => Box::new(start_child),
        Kind::Memory => Box::new(touch_memory),
    }
}

/// About 10 us of arithmetic that the compiler cannot leave out.
fn compute() {
    let mut state = std::hint::black_box(0x9e37_79b9_7f4a_7c15_u64);
    for _ in 0..4096 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    std::hint::black_box(state);
}

/// A partner thread sends every byte back.
fn bounce() -> Box<dyn FnMut()> {
    let (Ok((mut there, mut out)), Ok((mut back, mut home))) = (std::io::pipe(), std::io::pipe())
    else {
        eprintln!("stress: no pipe to be had");
        return Box::new(|| std::thread::sleep(Duration::from_secs(1)));
    };
    std::thread::spawn(move || {
        let mut byte = [0];
        while there.read_exact(&mut byte).is_ok() && home.write_all(&byte).is_ok() {}
    });
    Box::new(move || {
        let mut byte = [0];
        if out
            .write_all(&byte)
            .and_then(|()| back.read_exact(&mut byte))
            .is_err()
        {
            std::thread::sleep(Duration::from_millis(10));
        }
    })
}

fn start_child() {
    let outcome = Command::new("/bin/true").stdin(Stdio::null()).status();
    if let Err(error) = outcome {
        eprintln!("stress: /bin/true: {error}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn touch_memory() {
    const SIZE: usize = 8 << 20;
    // Zeroed memory of this size is mapped afresh and given back when dropped.
    let mut memory = vec![0_u8; SIZE];
    memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::hint::black_box(&memory);
}

fn current_cpu() -> i32 {
    // SAFETY: the call takes no arguments.
    unsafe { libc::sched_getcpu() }
}

fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
