//! Real time over normal: two hogs a CPU, and periodic real-time threads that must not notice.

use super::{Step, Workload};
use crate::policy::{Task, TaskSpec};

pub struct RealTime {
    cpus: u32,
    urgent: u32,
}

impl RealTime {
    /// `urgent` threads, 100 us each millisecond, their phases spread over it.
    pub fn new(cpus: usize, urgent: u32) -> Self {
        let cpus = cpus as u32;
        Self { cpus, urgent }
    }

    pub fn is_urgent(&self, task: Task) -> bool {
        task <= self.urgent
    }
}

impl Workload for RealTime {
    fn spec(&self, task: Task) -> TaskSpec {
        TaskSpec {
            pinned: None,
            realtime: self.is_urgent(task).then_some(50),
        }
    }

    fn initial(&self) -> Task {
        self.urgent + 2 * self.cpus
    }

    fn next(&mut self, task: Task, now_ns: u64) -> Step {
        const PERIOD: u64 = 1_000_000;
        if !self.is_urgent(task) {
            return Step::Run(u64::MAX / 4);
        }
        let phase = u64::from(task) * PERIOD / u64::from(self.urgent + 1);
        let round = now_ns.saturating_sub(phase) / PERIOD;
        let due = phase + round * PERIOD;
        // Right after its wake it computes, after that it sleeps until the next period.
        if now_ns >= due && now_ns < due + PERIOD / 20 {
            Step::Run(100_000)
        } else {
            Step::SleepUntil(due + PERIOD)
        }
    }
}
