//! Many machines: one case is a policy, a machine, a workload and a seed; a point is what its
//! seeds say together.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::costs::Costs;
use crate::hardware::{Hardware, Layout};
use crate::machine::Machine;
use crate::measure::Film;
use crate::policy::Kind;
use crate::workload::{Arrivals, ForkJoin, Hogs, Messages, RealTime, Size, Workload};

const MS: u64 = 1_000_000;

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

/// What is measured of a case. Times in microseconds, counts per wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// From the wake to the first instruction.
    DelayP50,
    DelayP99,
    DelayP999,
    /// All waiting from the wake until the thread sleeps again.
    WaitingMean,
    WaitingP99,
    WaitingP999,
    /// Percent of all CPU time.
    Wasted,
    Steals,
    /// Looks in search of work, of a CPU for a thread, and both.
    WorkProbes,
    CpuProbes,
    Probes,
    Ipis,
    Switches,
    /// Moves to another memory node.
    FarMoves,
    /// Jain's index of the hogs' CPU times.
    Jain,
    /// Median length of a burst, in microseconds.
    Burst,
    /// Messages per microsecond and CPU.
    Messages,
}

impl Metric {
    pub const ALL: [Self; 17] = [
        Self::DelayP50,
        Self::DelayP99,
        Self::DelayP999,
        Self::WaitingMean,
        Self::WaitingP99,
        Self::WaitingP999,
        Self::Wasted,
        Self::Steals,
        Self::WorkProbes,
        Self::CpuProbes,
        Self::Probes,
        Self::Ipis,
        Self::Switches,
        Self::FarMoves,
        Self::Jain,
        Self::Burst,
        Self::Messages,
    ];
}

pub type Values = [f64; Metric::ALL.len()];

/// A mean over seeds and half the width of its 95 % confidence interval.
#[derive(Clone, Copy, Debug, Default)]
pub struct Band {
    pub mean: f64,
    pub half: f64,
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

pub fn band(samples: &[Values], metric: Metric) -> Band {
    let count = samples.len() as f64;
    let of = |sample: &Values| sample[metric as usize];
    let mean = samples.iter().map(of).sum::<f64>() / count;
    if samples.len() < 2 {
        return Band { mean, half: 0.0 };
    }
    let squares: f64 = samples
        .iter()
        .map(|sample| (of(sample) - mean).powi(2))
        .sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    let half = student(samples.len() - 1) * error;
    Band { mean, half }
}

/// Student's t, 97.5 %, by degrees of freedom.
fn student(freedom: usize) -> f64 {
    const T: [f64; 10] = [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23];
    T.get(freedom - 1).copied().unwrap_or(2.0)
}

impl Case {
    /// Runs the case once.
    pub fn run(&self, seed: u64) -> Outcome {
        let overhead = self.overhead_ns();
        let open = |size, load: f64, end| Arrivals::new(self.cpus, size, load, overhead, end, seed);
        match self.load {
            Load::Exponential(percent) | Load::Sketch(percent) => {
                self.open(seed, Size::Exponential, f64::from(percent))
            }
            Load::Bimodal(percent) => self.open(seed, Size::Bimodal, f64::from(percent)),
            Load::Pinned(percent) => {
                let end = self.duration(Size::Exponential, 70.0);
                let work = open(Size::Exponential, 0.7, end).pinned_percent(percent);
                self.measured(seed, work, end / 5, end)
            }
            Load::Nodes(_) => self.open(seed, Size::Exponential, 85.0),
            Load::BigLittle(percent) => {
                let end = self.duration(Size::Exponential, f64::from(percent));
                let power = 0.75 * self.cpus as f64;
                let work = open(Size::Exponential, f64::from(percent) / 100.0, end).power(power);
                self.measured(seed, work, end / 5, end)
            }
            Load::Bursts => {
                let work = ForkJoin::new(self.cpus, 20, seed);
                let mut machine = self.machine(seed, work);
                machine.run_until(MS);
                machine.measure_from_here();
                machine.run_until(50 * MS);
                let mut spans = machine.workload.spans.clone();
                spans.sort_unstable();
                let mut outcome = outcome(&mut machine);
                let middle = spans.get(spans.len() / 2).copied().unwrap_or(u64::MAX);
                outcome.values[Metric::Burst as usize] = middle as f64 / 1e3;
                outcome
            }
            Load::Messages(pairs) => {
                let work = Messages::new(pairs * self.cpus as u32, 5_000 + 10 * seed);
                let mut machine = self.machine(seed, work);
                machine.run_until(2 * MS);
                machine.measure_from_here();
                let before = machine.workload.sent;
                machine.run_until(12 * MS);
                let sent = (machine.workload.sent - before) as f64;
                let mut outcome = outcome(&mut machine);
                outcome.values[Metric::Messages as usize] = sent / 10e3 / self.cpus as f64;
                outcome
            }
            Load::Hogs(per_two) => {
                let hogs = per_two * self.cpus as u32 / 2;
                let mut outcome = self.measured(seed, Hogs(hogs), 0, 1000 * MS);
                // Nobody sleeps: counts are per second and CPU.
                for metric in [
                    Metric::Steals,
                    Metric::WorkProbes,
                    Metric::CpuProbes,
                    Metric::Probes,
                    Metric::Ipis,
                    Metric::Switches,
                ] {
                    outcome.values[metric as usize] *= 1.0 / self.cpus as f64;
                }
                outcome
            }
            Load::RealTime => {
                let urgent = (self.cpus / 2).max(1) as u32;
                let mut machine = self.machine(seed, RealTime::new(self.cpus, urgent));
                machine.measure.only_up_to = urgent;
                machine.run_until(100 * MS);
                machine.measure_from_here();
                machine.run_until(600 * MS);
                outcome(&mut machine)
            }
            Load::Step => {
                let mut work = open(Size::Exponential, 0.3, 30 * MS);
                work.pace(10 * MS, 0.98, overhead);
                work.pace(20 * MS, 0.3, overhead);
                let mut machine = self.machine(seed, work);
                machine.measure.record(MS / 4, 120);
                machine.run_until(30 * MS);
                outcome(&mut machine)
            }
        }
    }

    fn open(&self, seed: u64, size: Size, percent: f64) -> Outcome {
        let (load, overhead) = (percent / 100.0, self.overhead_ns());
        let end = self.duration(size, percent);
        let work = Arrivals::new(self.cpus, size, load, overhead, end, seed);
        self.measured(seed, work, end / 5, end)
    }

    fn costs(&self) -> Costs {
        match self.load {
            Load::Sketch(_) => Costs::SKETCH,
            _ => Costs::MEASURED,
        }
    }

    /// What load takes into account beyond the service time of a request.
    fn overhead_ns(&self) -> u64 {
        match self.load {
            Load::Sketch(_) => 0,
            _ => self.costs().least_per_wake_ns(),
        }
    }

    /// Long enough for some tens of thousands of requests and for the queues to settle.
    fn duration(&self, size: Size, percent: f64) -> u64 {
        let requests = 15_000.0 + 60.0 * self.cpus as f64;
        MS + (requests * size.mean_ns() / (self.cpus as f64 * percent / 100.0)) as u64
    }

    fn machine<W: Workload>(&self, seed: u64, workload: W) -> Machine<W> {
        let mut layout = Layout::flat(self.cpus, 8.min(self.cpus));
        if let Load::Nodes(nodes) = self.load {
            layout.per_node = self.cpus / nodes as usize;
        }
        if let Load::BigLittle(_) = self.load {
            layout.speed = |cpu| if cpu / 8 % 2 == 0 { 1024 } else { 512 };
        }
        let hardware = Hardware::new(layout, self.costs());
        let policy = self.policy.build(&hardware, seed);
        Machine::new(hardware, policy, workload)
    }

    fn measured<W: Workload>(&self, seed: u64, workload: W, from: u64, until: u64) -> Outcome {
        let mut machine = self.machine(seed, workload);
        machine.run_until(from);
        machine.measure_from_here();
        machine.run_until(until);
        outcome(&mut machine)
    }
}

fn outcome<W: Workload>(machine: &mut Machine<W>) -> Outcome {
    let counts = machine.measure.counts(machine.hardware().counts());
    let (measure, cpus) = (&machine.measure, machine.hardware().layout.cpus);
    let span = (machine.now() - measure.since_ns) as f64 * cpus as f64;
    let wakes = measure.done.max(1) as f64;
    let us = |ns: u64| ns as f64 / 1e3;
    let mut values = [0.0; Metric::ALL.len()];
    for metric in Metric::ALL {
        values[metric as usize] = match metric {
            Metric::DelayP50 => us(measure.delay.quantile(0.5)),
            Metric::DelayP99 => us(measure.delay.quantile(0.99)),
            Metric::DelayP999 => us(measure.delay.quantile(0.999)),
            Metric::WaitingMean => measure.waiting.mean() / 1e3,
            Metric::WaitingP99 => us(measure.waiting.quantile(0.99)),
            Metric::WaitingP999 => us(measure.waiting.quantile(0.999)),
            Metric::Wasted => 100.0 * measure.wasted_ns as f64 / span,
            Metric::Steals => counts.steals as f64 / wakes,
            Metric::WorkProbes => counts.probes as f64 / wakes,
            Metric::CpuProbes => counts.looks as f64 / wakes,
            Metric::Probes => (counts.probes + counts.looks) as f64 / wakes,
            Metric::Ipis => counts.ipis as f64 / wakes,
            Metric::Switches => counts.switches as f64 / wakes,
            Metric::FarMoves => measure.moves[2] as f64 / wakes,
            Metric::Jain => measure.jain(machine.workload.initial() as usize),
            Metric::Burst | Metric::Messages => 0.0,
        };
    }
    let film = machine.measure.film.take();
    Outcome { values, film }
}
