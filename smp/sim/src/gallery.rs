//! Pictures of what is shown for one machine only: fairness, memory nodes, slow CPUs, real time,
//! and the delay while the load steps.

use std::error::Error;
use std::path::Path;

use crate::experiment::{Band, Case, Load, Metric, Values, band};
use crate::matrix;
use crate::plot::{self, Curve, Panel};
use crate::policy::Kind;
use crate::report::Results;

type Outcome = Result<(), Box<dyn Error>>;

/// Intervals of the film that make one point of the curve.
const INTERVALS: usize = 4;

impl Results {
    pub fn gallery(&self, folder: &Path) -> Outcome {
        let typical = matrix::typical(&self.sizes);
        let percent = |load: u32| f64::from(load) / 100.0;
        let nodes = matrix::NODES.map(|nodes| (f64::from(nodes), Load::Nodes(nodes), typical));
        let little = matrix::LITTLE.map(|load| (percent(load), Load::BigLittle(load), typical));
        let hogs = matrix::HOGS.map(|hogs| (f64::from(2 * hogs), Load::Hogs(hogs), 4));
        let small = self.sizes.iter().filter(|&&cpus| cpus <= 64);
        let urgent: Vec<_> = small
            .map(|&cpus| (cpus as f64, Load::RealTime, cpus))
            .collect();
        let title = |what: &str| format!("{what}, {typical} CPUs");
        plot::panels(
            &folder.join("classes.svg"),
            &[
                self.panel(
                    &title("delay p99.9, us"),
                    "memory nodes",
                    true,
                    &nodes,
                    Metric::DelayP999,
                ),
                self.panel(
                    &title("half at half speed: delay p99.9, us"),
                    "load",
                    false,
                    &little,
                    Metric::DelayP999,
                ),
                self.panel(
                    "Jain's index after 1 s, 4 CPUs",
                    "hogs",
                    false,
                    &hogs,
                    Metric::Jain,
                ),
                self.panel(
                    "real time over two hogs a CPU: p99.9, us",
                    "CPUs",
                    true,
                    &urgent,
                    Metric::DelayP999,
                ),
            ],
        )?;
        plot::panels(&folder.join("step-delay.svg"), &[self.step(typical)])
    }

    /// Delay over time while the load steps up and down again.
    fn step(&self, cpus: usize) -> Panel {
        let kinds = Kind::ALL
            .into_iter()
            .filter(|kind| *kind != Kind::Broadcast);
        Panel {
            title: format!("load 0.3, 0.98 from 10 to 20 ms, 0.3: mean delay, us, {cpus} CPUs"),
            x_label: "ms",
            logarithmic_x: false,
            curves: kinds
                .map(|policy| step_curve(policy, cpus, self.seeds))
                .collect(),
        }
    }
}

fn step_curve(policy: Kind, cpus: usize, seeds: u64) -> Curve {
    let load = Load::Step;
    let case = Case { load, cpus, policy };
    let films: Vec<_> = (1..=seeds)
        .map(|seed| case.run(seed).film.expect("a step is filmed"))
        .collect();
    let points = films[0].delay.len() / INTERVALS;
    let width_ms = (films[0].interval_ns * INTERVALS as u64) as f64 / 1e6;
    let point = |index: usize| {
        let samples: Vec<Values> = films
            .iter()
            .map(|film| {
                let delays = &film.delay[index * INTERVALS..(index + 1) * INTERVALS];
                let mean = delays.iter().map(|delay| delay.mean()).sum::<f64>();
                let mut values = Values::default();
                values[Metric::DelayP50 as usize] = mean / INTERVALS as f64 / 1e3;
                values
            })
            .collect();
        let middle: Band = band(&samples, Metric::DelayP50);
        ((index as f64 + 0.5) * width_ms, middle)
    };
    // Requests begin after 1 ms.
    let points = (2..points).map(point).collect();
    Curve { policy, points }
}
