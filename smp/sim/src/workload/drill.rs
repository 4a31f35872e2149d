//! What the guest's `stress --drill` does (`user/stress/src/drill`), so that the two can be
//! compared: the same parts with the same numbers.

use super::{Messages, Step, Workload};
use crate::policy::Task;
use crate::random::Random;

const MESSAGE_NS: u64 = 20_000;
/// What the drill itself computes to call somebody: of the period of `pair`, 22,574 ns, what is left
/// after the message and the delay, 2,376.
const CALL_NS: u64 = 198;
const CROWD: u32 = 3;
const COMPUTE_NS: f64 = 150_000.0;
const SLEEP_NS: f64 = 400_000.0;
const PERIOD_NS: u64 = 1_000_000;
const BURST_NS: f64 = 50_000.0;

/// The drill of this name.
pub fn by_name(name: &str, cpus: u32, seed: u64) -> Option<Box<dyn Workload>> {
    let random = Random::new(seed);
    match name {
        "pair" => Some(Box::new(Messages::new(1, MESSAGE_NS + CALL_NS))),
        "mixed" => Some(Box::new(Mixed {
            random,
            computes: vec![false; (CROWD * cpus + 1) as usize],
        })),
        "burst" => Some(Box::new(Burst {
            random,
            workers: 2 * cpus,
            due_ns: 0,
            next: 1,
            ready: false,
            called: vec![false; 2 * cpus as usize + 2],
        })),
        _ => None,
    }
}

/// More threads than CPUs, that compute and sleep at random.
struct Mixed {
    random: Random,
    computes: Vec<bool>,
}

impl Workload for Mixed {
    fn initial(&self) -> Task {
        self.computes.len() as Task - 1
    }

    fn next(&mut self, task: Task, _now_ns: u64) -> Step {
        let computes = &mut self.computes[task as usize];
        *computes = !*computes;
        match *computes {
            true => Step::Run(self.random.exponential(COMPUTE_NS)),
            false => Step::Sleep(self.random.exponential(SLEEP_NS)),
        }
    }
}

/// Thread 1 wakes all others, now and then.
struct Burst {
    random: Random,
    workers: u32,
    due_ns: u64,
    /// Whom thread 1 wakes next; 1: it sleeps until the next time.
    next: Task,
    /// It has computed what that takes.
    ready: bool,
    called: Vec<bool>,
}

impl Workload for Burst {
    fn initial(&self) -> Task {
        self.workers + 1
    }

    fn next(&mut self, task: Task, _now_ns: u64) -> Step {
        if task == 1 {
            return self.conduct();
        }
        let called = &mut self.called[task as usize];
        match std::mem::take(called) {
            true => Step::Run(self.random.exponential(BURST_NS)),
            false => Step::Park,
        }
    }
}

impl Burst {
    fn conduct(&mut self) -> Step {
        if self.next == 1 {
            self.next = 2;
            self.due_ns += PERIOD_NS;
            return Step::SleepUntil(self.due_ns);
        }
        self.ready = !self.ready;
        if self.ready {
            return Step::Run(CALL_NS);
        }
        let worker = self.next;
        self.next = if worker == self.workers + 1 {
            1
        } else {
            worker + 1
        };
        self.called[worker as usize] = true;
        Step::Wake(worker)
    }
}
