//! Messages, as `hackbench` sends them: pairs of threads that wake each other in turn.

use super::{Step, Workload};
use crate::policy::Task;

pub struct Messages {
    pairs: u32,
    run_ns: u64,
    phase: Vec<u8>,
    pub sent: u64,
}

impl Messages {
    /// `pairs` pairs; who has the message computes for `run_ns` and hands it over.
    pub fn new(pairs: u32, run_ns: u64) -> Self {
        Self {
            pairs,
            run_ns,
            phase: vec![0; 2 * pairs as usize + 1],
            sent: 0,
        }
    }
}

impl Workload for Messages {
    fn initial(&self) -> Task {
        2 * self.pairs
    }

    /// Odd threads begin, even ones wait for the first message.
    fn next(&mut self, task: Task, _now_ns: u64) -> Step {
        let (begins, phase) = (task % 2 == 1, &mut self.phase[task as usize]);
        *phase += 1;
        match (*phase, begins) {
            (1, false) => Step::Park,
            (1, true) | (2, false) => Step::Run(self.run_ns),
            (2, true) | (3, false) => {
                self.sent += 1;
                Step::Wake(if begins { task + 1 } else { task - 1 })
            }
            _ => {
                *phase = u8::from(!begins);
                Step::Park
            }
        }
    }
}
