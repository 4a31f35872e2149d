//! Fork and join: now and then an interrupt wakes many workers at once, on one CPU.

use super::{Outside, Step, Workload};
use crate::policy::Task;
use crate::random::Random;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Asleep,
    Busy,
}

pub struct ForkJoin {
    random: Random,
    cpus: usize,
    workers: Task,
    mean_ns: f64,
    period_ns: u64,
    bursts: u64,
    round: u64,
    states: Vec<State>,
    ends: u64,
    /// How long each burst took.
    pub spans: Vec<u64>,
}

impl ForkJoin {
    /// `bursts` bursts of two threads a CPU, 50 us each on average, one every 2 ms.
    pub fn new(cpus: usize, bursts: u64, seed: u64) -> Self {
        let workers = 2 * cpus as Task;
        Self {
            random: Random::new(seed),
            cpus,
            workers,
            mean_ns: 50_000.0,
            period_ns: 2_000_000,
            bursts,
            round: 0,
            states: vec![State::New; workers as usize + 1],
            ends: 0,
            spans: Vec::new(),
        }
    }
}

impl Workload for ForkJoin {
    fn initial(&self) -> Task {
        self.workers
    }

    fn next(&mut self, task: Task, now_ns: u64) -> Step {
        let state = &mut self.states[task as usize];
        if *state == State::Asleep {
            *state = State::Busy;
            return Step::Run(self.random.exponential(self.mean_ns));
        }
        if std::mem::replace(state, State::Asleep) == State::Busy {
            self.ends += 1;
            if self.ends.is_multiple_of(u64::from(self.workers)) {
                let burst = self.ends / u64::from(self.workers);
                self.spans.push(now_ns - burst * self.period_ns);
            }
        }
        Step::Park
    }

    fn outside(&mut self) -> Option<Outside> {
        if self.round == self.bursts {
            return None;
        }
        self.round += 1;
        Some(Outside {
            at_ns: self.round * self.period_ns,
            cpu: self.random.below(self.cpus),
            wake: 1..self.workers + 1,
        })
    }
}
