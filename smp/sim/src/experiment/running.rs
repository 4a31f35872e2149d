//! Running a case: its workload on its machine, from when to when it is measured.

use super::metric::values;
use super::{Case, Load, Metric, Outcome};
use crate::costs::Costs;
use crate::hardware::{Hardware, Layout};
use crate::machine::Machine;
use crate::workload::{Arrivals, ForkJoin, Hogs, Messages, RealTime, Size, Workload};

const MS: u64 = 1_000_000;

impl Case {
    /// Runs the case once.
    pub fn run(&self, seed: u64) -> Outcome {
        match self.load {
            Load::Exponential(percent) | Load::Sketch(percent) => {
                self.open(seed, Size::Exponential, percent)
            }
            Load::Bimodal(percent) => self.open(seed, Size::Bimodal, percent),
            Load::Nodes(_) => self.open(seed, Size::Exponential, 85),
            Load::Pinned(percent) => self.arriving(seed, Size::Exponential, 70, |work| {
                work.pinned_percent(percent)
            }),
            Load::BigLittle(percent) => {
                let power = 0.75 * self.cpus as f64;
                self.arriving(seed, Size::Exponential, percent, |work| work.power(power))
            }
            Load::Bursts => self.bursts(seed),
            Load::Messages(pairs) => self.messages(seed, pairs),
            Load::Hogs(per_two) => self.hogs(seed, per_two),
            Load::RealTime => self.real_time(seed),
            Load::Step => self.step(seed),
        }
    }

    /// Requests that arrive whatever becomes of them.
    fn open(&self, seed: u64, size: Size, percent: u32) -> Outcome {
        self.arriving(seed, size, percent, |work| work)
    }

    /// The same, changed; the queues settle in the first fifth.
    fn arriving(
        &self,
        seed: u64,
        size: Size,
        percent: u32,
        change: impl FnOnce(Arrivals) -> Arrivals,
    ) -> Outcome {
        let end = self.duration(size, f64::from(percent));
        let work = self.arrivals(seed, size, f64::from(percent) / 100.0, end);
        self.measured(seed, change(work), end / 5, end)
    }

    fn arrivals(&self, seed: u64, size: Size, load: f64, end: u64) -> Arrivals {
        Arrivals::new(self.cpus, size, load, self.overhead_ns(), end, seed)
    }

    fn bursts(&self, seed: u64) -> Outcome {
        let mut machine = self.machine(seed, ForkJoin::new(self.cpus, 20, seed));
        measure(&mut machine, MS, 50 * MS);
        let mut spans = machine.workload.spans.clone();
        spans.sort_unstable();
        let middle = spans.get(spans.len() / 2).copied().unwrap_or(u64::MAX);
        outcome(machine).with(Metric::Burst, middle as f64 / 1e3)
    }

    fn messages(&self, seed: u64, pairs: u32) -> Outcome {
        let work = Messages::new(pairs * self.cpus as u32, 5_000 + 10 * seed);
        let mut machine = self.machine(seed, work);
        machine.run_until(2 * MS);
        let before = machine.workload.sent;
        measure(&mut machine, 2 * MS, 12 * MS);
        let sent = (machine.workload.sent - before) as f64;
        outcome(machine).with(Metric::Messages, sent / 10e3 / self.cpus as f64)
    }

    fn hogs(&self, seed: u64, per_two: u32) -> Outcome {
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

    fn real_time(&self, seed: u64) -> Outcome {
        let urgent = (self.cpus / 2).max(1) as u32;
        let mut machine = self.machine(seed, RealTime::new(self.cpus, urgent));
        machine.measure.only_up_to = urgent;
        measure(&mut machine, 100 * MS, 600 * MS);
        outcome(machine)
    }

    fn step(&self, seed: u64) -> Outcome {
        let mut work = self.arrivals(seed, Size::Exponential, 0.3, 30 * MS);
        work.pace(10 * MS, 0.98, self.overhead_ns());
        work.pace(20 * MS, 0.3, self.overhead_ns());
        let mut machine = self.machine(seed, work);
        machine.measure.record(MS / 4, 120);
        machine.run_until(30 * MS);
        outcome(machine)
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
        measure(&mut machine, from, until);
        outcome(machine)
    }
}

fn measure<W: Workload>(machine: &mut Machine<W>, from: u64, until: u64) {
    machine.run_until(from);
    machine.measure_from_here();
    machine.run_until(until);
}

fn outcome<W: Workload>(machine: Machine<W>) -> Outcome {
    Outcome {
        values: values(&machine),
        film: machine.measure.film,
    }
}

impl Outcome {
    fn with(mut self, metric: Metric, value: f64) -> Self {
        self.values[metric as usize] = value;
        self
    }
}
