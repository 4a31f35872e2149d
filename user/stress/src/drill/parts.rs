//! The parts that threads play. The numbers are those of `smp/sim/src/workload/drill.rs`.

use super::clock;
use crate::random::Random;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};

/// `pair`: what each side computes per message.
const MESSAGE_NS: u64 = 20_000;
/// `mixed`: so many threads for each CPU, that compute and sleep at random.
const CROWD: usize = 3;
const COMPUTE_NS: f64 = 150_000.0;
const SLEEP_NS: f64 = 400_000.0;
/// `burst`: now and then one thread wakes two for each CPU.
const PERIOD_NS: u64 = 1_000_000;
const BURST_NS: f64 = 50_000.0;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Pair,
    Mixed,
    Burst,
}

impl Kind {
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "pair" => Some(Self::Pair),
            "mixed" => Some(Self::Mixed),
            "burst" => Some(Self::Burst),
            _ => None,
        }
    }
}

/// A wake, as its thread saw it; nanoseconds.
pub struct Wait {
    pub woken_at: u64,
    pub delay: u64,
}

/// What the threads share.
pub struct Stage {
    kind: Kind,
    cpus: usize,
    over: AtomicBool,
    offset: u64,
    seats: Vec<Seat>,
}

/// Where one thread waits: how often it was woken, and when last.
#[derive(Default)]
struct Seat {
    calls: AtomicU32,
    called_at: AtomicU64,
}

impl Stage {
    pub fn new(kind: Kind, cpus: usize) -> Self {
        let threads = match kind {
            Kind::Pair => 2,
            Kind::Mixed => CROWD * cpus,
            Kind::Burst => 2 * cpus + 1,
        };
        Self {
            kind,
            cpus,
            over: AtomicBool::new(false),
            offset: clock::ahead(),
            seats: (0..threads).map(|_| Seat::default()).collect(),
        }
    }

    pub fn threads(&self) -> usize {
        self.seats.len()
    }

    pub fn end(&self) {
        self.over.store(true, SeqCst);
        (0..self.threads()).for_each(|number| self.call(number));
    }

    fn goes_on(&self) -> bool {
        !self.over.load(SeqCst)
    }

    fn call(&self, number: usize) {
        let seat = &self.seats[number];
        seat.called_at.store(clock::now(), SeqCst);
        seat.calls.fetch_add(1, SeqCst);
        let wake = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the word outlives the call; FUTEX_WAKE reads no other argument.
        unsafe { libc::syscall(libc::SYS_futex, seat.calls.as_ptr(), wake, 1) };
        clock::pass_turn();
    }

    /// Waits to be called once more than `seen` times.
    fn await_call(&self, number: usize, seen: &mut u32) -> Wait {
        let seat = &self.seats[number];
        let wait = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
        while seat.calls.load(SeqCst) == *seen {
            let forever = std::ptr::null::<libc::timespec>();
            // SAFETY: the word outlives the call; a null timeout waits without an end.
            unsafe { libc::syscall(libc::SYS_futex, seat.calls.as_ptr(), wait, *seen, forever) };
        }
        let now = clock::now();
        *seen += 1;
        let woken_at = seat.called_at.load(SeqCst);
        let delay = now.saturating_sub(woken_at);
        Wait { woken_at, delay }
    }

    fn sleep_until(&self, due: u64) -> Wait {
        clock::sleep_until(due, self.offset);
        let delay = clock::now().saturating_sub(due);
        let woken_at = due;
        Wait { woken_at, delay }
    }
}

/// Plays part `number` until the end; what it waited.
pub fn play(stage: &Stage, number: usize, random: Random) -> Vec<Wait> {
    match (stage.kind, number) {
        (Kind::Pair, _) => bounce(stage, number),
        (Kind::Mixed, _) => come_and_go(stage, random),
        (Kind::Burst, 0) => conduct(stage),
        (Kind::Burst, _) => follow(stage, number, random),
    }
}

fn bounce(stage: &Stage, number: usize) -> Vec<Wait> {
    let (mut waits, mut seen) = (Vec::new(), 0);
    if number == 0 {
        stage.call(1); // the first message
    }
    while stage.goes_on() {
        waits.push(stage.await_call(number, &mut seen));
        clock::compute(MESSAGE_NS);
        stage.call(1 - number);
    }
    waits
}

fn come_and_go(stage: &Stage, mut random: Random) -> Vec<Wait> {
    let mut waits = Vec::new();
    while stage.goes_on() {
        clock::compute(random.exponential(COMPUTE_NS));
        let due = clock::now() + random.exponential(SLEEP_NS);
        waits.push(stage.sleep_until(due));
    }
    waits
}

fn conduct(stage: &Stage) -> Vec<Wait> {
    let (mut waits, mut due) = (Vec::new(), clock::now());
    while stage.goes_on() {
        due += PERIOD_NS;
        waits.push(stage.sleep_until(due));
        (1..=2 * stage.cpus).for_each(|number| stage.call(number));
    }
    waits
}

fn follow(stage: &Stage, number: usize, mut random: Random) -> Vec<Wait> {
    let (mut waits, mut seen) = (Vec::new(), 0);
    while stage.goes_on() {
        waits.push(stage.await_call(number, &mut seen));
        clock::compute(random.exponential(BURST_NS));
    }
    waits
}
