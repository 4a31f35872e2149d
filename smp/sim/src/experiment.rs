//! Many machines: one case is a policy, a machine, a workload and a seed; a point is what its
//! seeds say together.

mod band;
mod metric;
mod running;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::measure::Film;
use crate::policy::Kind;

pub use band::{Band, band};
pub use metric::{Metric, Values};

/// What the threads of a case do. The number is the abscissa of its plots.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Load {
    /// Exponential requests at a load of so many percent.
    Exponential(u32),
    /// The same in the terms of the design's sketch: its costs, and load is service time alone.
    Sketch(u32),
    /// As the first, with bimodal ones.
    Bimodal(u32),
    /// Exponential requests at load 0.7, so many percent of the workers pinned.
    Pinned(u32),
    /// Exponential requests at load 0.85 on so many memory nodes.
    Nodes(u32),
    /// Exponential requests at a load of so many percent; every other cluster has half the speed.
    BigLittle(u32),
    /// Bursts of two threads a CPU.
    Bursts,
    /// So many pairs of messengers a CPU.
    Messages(u32),
    /// So many hogs for every two CPUs, for one second.
    Hogs(u32),
    /// Periodic real-time threads on half of the CPUs, above two hogs a CPU.
    RealTime,
    /// Load 0.3, from 10 to 20 ms 0.98, then 0.3 again.
    Step,
}

#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Case {
    pub load: Load,
    pub cpus: usize,
    pub policy: Kind,
}

pub struct Outcome {
    pub values: Values,
    pub film: Option<Film>,
}

/// All cases with all seeds, on all cores of the host. Results in the order of `cases`.
pub fn run_all(
    cases: &[Case],
    seeds: u64,
    progress: impl Fn(usize, usize) + Sync,
) -> Vec<Vec<Values>> {
    let jobs = cases.len() * seeds as usize;
    let (next, results) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let worker = || {
        loop {
            let job = next.fetch_add(1, Relaxed);
            if job >= jobs {
                break;
            }
            let (case, seed) = (&cases[job / seeds as usize], job as u64 % seeds + 1);
            let values = case.run(seed).values;
            results.lock().expect("no panic").insert(job, values);
            progress(job, jobs);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(worker);
        }
    });
    let results = results.into_inner().expect("no panic");
    let all: Vec<Values> = results.into_values().collect();
    all.chunks(seeds as usize).map(<[Values]>::to_vec).collect()
}
