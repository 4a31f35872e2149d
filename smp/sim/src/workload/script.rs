//! Threads that follow a list, again and again.

use super::{Step, Workload};
use crate::policy::{Task, TaskSpec};

#[derive(Default)]
pub struct Scripts {
    threads: Vec<Script>,
}

struct Script {
    spec: TaskSpec,
    steps: Vec<Step>,
    rounds: u64,
    next: usize,
}

impl Scripts {
    /// A thread that does `steps`, so many times, and ends.
    pub fn thread(mut self, spec: TaskSpec, rounds: u64, steps: Vec<Step>) -> Self {
        self.threads.push(Script {
            spec,
            steps,
            rounds,
            next: 0,
        });
        self
    }
}

impl Workload for Scripts {
    fn spec(&self, task: Task) -> TaskSpec {
        self.threads[task as usize - 1].spec
    }

    fn initial(&self) -> Task {
        self.threads.len() as Task
    }

    fn next(&mut self, task: Task, _now_ns: u64) -> Step {
        let script = &mut self.threads[task as usize - 1];
        if script.next == script.steps.len() {
            script.next = 0;
            script.rounds = script.rounds.saturating_sub(1);
        }
        if script.rounds == 0 {
            return Step::Exit;
        }
        script.next += 1;
        script.steps[script.next - 1].clone()
    }
}
