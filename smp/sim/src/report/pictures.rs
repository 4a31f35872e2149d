//! Pictures of the results.

use std::error::Error;
use std::path::Path;

use super::Results;
use crate::experiment::{Load, Metric};
use crate::matrix;
use crate::plot::{self, Curve, Panel};
use crate::policy::Kind;

impl Results {
    /// All pictures but the heat map.
    pub fn pictures(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        for &cpus in &self.sizes {
            let panels = [
                self.by_load(cpus, "delay p50, us", Metric::DelayP50),
                self.by_load(cpus, "delay p99, us", Metric::DelayP99),
                self.by_load(cpus, "delay p99.9, us", Metric::DelayP999),
            ];
            plot::panels(&folder.join(format!("delay-{cpus}.svg")), &panels)?;
        }
        let wasted = |&cpus| self.by_load(cpus, "wasted core time, %", Metric::Wasted);
        let wasted: Vec<_> = self.sizes.iter().map(wasted).collect();
        plot::panels(&folder.join("wasted.svg"), &wasted)?;
        plot::panels(&folder.join("per-wake.svg"), &self.costs_per_wake())?;
        plot::panels(&folder.join("workloads.svg"), &self.workloads())
    }

    fn by_load(&self, cpus: usize, title: &str, metric: Metric) -> Panel {
        let points =
            matrix::LOADS.map(|load| (f64::from(load) / 100.0, Load::Exponential(load), cpus));
        let title = format!("{title}, {cpus} CPUs");
        self.panel(&title, "load", false, &points, metric)
    }

    fn costs_per_wake(&self) -> Vec<Panel> {
        let largest = *self.sizes.iter().max().unwrap_or(&1);
        let of_size = |cpus| {
            [
                ("steals per wake", Metric::Steals),
                ("probes per wake", Metric::Probes),
                ("interrupts per wake", Metric::Ipis),
            ]
            .map(|(title, metric)| self.by_load(cpus, title, metric))
        };
        let sizes = [matrix::typical(&self.sizes), largest];
        sizes.into_iter().flat_map(of_size).collect()
    }

    fn workloads(&self) -> [Panel; 3] {
        let typical = matrix::typical(&self.sizes);
        let burst = |&cpus: &usize| (cpus as f64, Load::Bursts, cpus);
        let bursts: Vec<_> = self.sizes.iter().map(burst).collect();
        let pinned =
            matrix::PINNED.map(|percent| (f64::from(percent), Load::Pinned(percent), typical));
        let bimodal =
            matrix::LOADS.map(|load| (f64::from(load) / 100.0, Load::Bimodal(load), typical));
        [
            self.panel(
                "burst until its last end, us",
                "CPUs",
                true,
                &bursts,
                Metric::Burst,
            ),
            self.panel(
                "pinned workers: delay p99.9, us",
                "percent pinned",
                false,
                &pinned,
                Metric::DelayP999,
            ),
            self.panel(
                "bimodal: waiting p99, us",
                "load",
                false,
                &bimodal,
                Metric::WaitingP99,
            ),
        ]
    }

    pub(crate) fn panel(
        &self,
        title: &str,
        x_label: &'static str,
        logarithmic_x: bool,
        points: &[(f64, Load, usize)],
        metric: Metric,
    ) -> Panel {
        let curve = |policy| {
            let point = |(x, load, cpus): &(f64, Load, usize)| {
                Some((*x, self.band(*load, *cpus, policy, metric)?))
            };
            let points: Vec<_> = points.iter().filter_map(point).collect();
            (!points.is_empty()).then_some(Curve { policy, points })
        };
        Panel {
            title: title.to_string(),
            x_label,
            logarithmic_x,
            curves: Kind::ALL.into_iter().filter_map(curve).collect(),
        }
    }
}
