//! Open load: requests come when they come (Poisson), each wakes a worker that is free.

use super::{Outside, Step, Workload};
use crate::policy::{Task, TaskSpec};
use crate::random::Random;

/// How long a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Size {
    /// Exponential, mean 100 us.
    Exponential,
    /// One in 200 takes 10 ms, the others 50 us.
    Bimodal,
    /// 100 us, all of them.
    Equal,
}

impl Size {
    pub fn mean_ns(self) -> f64 {
        match self {
            Self::Exponential | Self::Equal => 100_000.0,
            Self::Bimodal => 0.995 * 50_000.0 + 0.005 * 10_000_000.0,
        }
    }

    fn draw(self, random: &mut Random) -> u64 {
        match self {
            Self::Exponential => random.exponential(self.mean_ns()),
            Self::Bimodal if random.below(200) == 0 => 10_000_000,
            Self::Bimodal => 50_000,
            Self::Equal => 100_000,
        }
    }
}

/// Requests come from here on; before, the workers are made and go to sleep.
const START_NS: u64 = 1_000_000;
/// More are made when they do not suffice.
const WORKERS_PER_CPU: Task = 4;

pub struct Arrivals {
    random: Random,
    size: Size,
    cpus: usize,
    /// The machine's full power, in CPUs of speed 1.
    power: f64,
    /// Mean time between requests for each load, and from when on.
    pace: Vec<(u64, f64)>,
    at_ns: f64,
    end_ns: u64,
    /// Workers that wait, and those that were created.
    free: Vec<Task>,
    workers: Task,
    /// Of worker n: the size of its request, 0 when it has none.
    sizes: Vec<u64>,
    /// Of 100 workers so many are pinned to one CPU each.
    pinned_percent: u32,
    pub requests: u64,
    /// CPU time of all requests, at full speed.
    pub asked_ns: u64,
}

impl Arrivals {
    /// Requests until `end_ns`. `load` is what the machine is asked for, of what it can give
    /// when each request costs `overhead_ns` besides its own time.
    pub fn new(
        cpus: usize,
        size: Size,
        load: f64,
        overhead_ns: u64,
        end_ns: u64,
        seed: u64,
    ) -> Self {
        let workers = WORKERS_PER_CPU * cpus as Task;
        let mut arrivals = Self {
            random: Random::new(seed),
            size,
            cpus,
            power: cpus as f64,
            pace: Vec::new(),
            at_ns: START_NS as f64,
            end_ns,
            free: Vec::new(),
            workers,
            sizes: vec![0; workers as usize + 1],
            pinned_percent: 0,
            requests: 0,
            asked_ns: 0,
        };
        arrivals.pace(0, load, overhead_ns);
        arrivals
    }

    /// Another load from `from_ns` on.
    pub fn pace(&mut self, from_ns: u64, load: f64, overhead_ns: u64) {
        let each = self.size.mean_ns() + overhead_ns as f64;
        self.pace.push((from_ns, each / (load * self.power)));
    }

    /// CPUs that together do the work of `power` ones: paces are set anew from here.
    pub fn power(mut self, power: f64) -> Self {
        for (_, gap) in &mut self.pace {
            *gap *= self.power / power;
        }
        self.power = power;
        self
    }

    pub fn pinned_percent(mut self, percent: u32) -> Self {
        self.pinned_percent = percent;
        self
    }

    fn gap(&self) -> f64 {
        let past = |(from, _): &&(u64, f64)| *from as f64 <= self.at_ns;
        let (_, gap) = self.pace.iter().rev().find(past).unwrap_or(&self.pace[0]);
        *gap
    }

    fn worker(&mut self) -> Task {
        if self.free.is_empty() {
            self.workers += 1;
            self.sizes.push(0);
            return self.workers;
        }
        let index = self.random.below(self.free.len());
        self.free.swap_remove(index)
    }
}

impl Workload for Arrivals {
    fn spec(&self, task: Task) -> TaskSpec {
        // The golden ratio spreads the pinned ones evenly over the numbers.
        let pinned = task.wrapping_mul(0x9e37_79b9) >> 16 & 0xffff;
        TaskSpec {
            pinned: (pinned * 100 < self.pinned_percent << 16).then(|| task as usize % self.cpus),
            realtime: None,
        }
    }

    fn initial(&self) -> Task {
        WORKERS_PER_CPU * self.cpus as Task
    }

    fn next(&mut self, task: Task, _now_ns: u64) -> Step {
        match std::mem::take(&mut self.sizes[task as usize]) {
            0 => {
                self.free.push(task);
                Step::Park
            }
            size => Step::Run(size),
        }
    }

    fn outside(&mut self) -> Option<Outside> {
        let gap = self.gap();
        self.at_ns += self.random.exponential(gap * 1024.0) as f64 / 1024.0;
        let at_ns = self.at_ns as u64;
        if at_ns > self.end_ns {
            return None;
        }
        let (size, worker) = (self.size.draw(&mut self.random), self.worker());
        self.sizes[worker as usize] = size;
        self.requests += 1;
        self.asked_ns += size;
        let cpu = self.random.below(self.cpus);
        Some(Outside {
            at_ns,
            cpu,
            wake: worker..worker + 1,
        })
    }
}
