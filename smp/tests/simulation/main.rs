//! The real scheduler on a simulated machine: nobody lost, nobody misplaced, shares as they
//! should be.

mod chaos;
mod fairness;
mod handing_on;
mod lessons;
mod machine;
mod offline;
mod parameters;
mod realtime;
mod sharing;
mod topology;
mod waking;

use machine::Machine;
use smp::{CpuSet, ThreadRef, ThreadSpec};

pub fn cpus(list: &str) -> CpuSet {
    CpuSet::parse_list(list).unwrap()
}

pub fn spec() -> ThreadSpec {
    ThreadSpec::new("simulated", || {})
}

/// Jain's index of the CPU times: 1 is perfectly fair.
fn jain(machine: &Machine, threads: &[ThreadRef]) -> f64 {
    let times: Vec<f64> = threads
        .iter()
        .map(|t| t.stats_at(machine.now()).run_ns as f64)
        .collect();
    let sum: f64 = times.iter().sum();
    sum * sum / (times.len() as f64 * times.iter().map(|t| t * t).sum::<f64>())
}

/// A small deterministic generator: each test names its seed.
pub struct Random(u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
