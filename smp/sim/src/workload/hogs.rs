//! Threads that never stop computing: who gets how much?

use super::{Step, Workload};
use crate::policy::Task;

pub struct Hogs(pub u32);

impl Workload for Hogs {
    fn initial(&self) -> Task {
        self.0
    }

    fn next(&mut self, _task: Task, _now_ns: u64) -> Step {
        Step::Run(u64::MAX / 4)
    }
}
