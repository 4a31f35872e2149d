//! Tables and pictures from the results.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use crate::experiment::{Band, Case, Load, Metric, Values, band};
use crate::matrix;
use crate::plot::{self, Curve, Panel};
use crate::policy::Kind;

pub struct Results {
    pub cases: Vec<Case>,
    pub samples: Vec<Vec<Values>>,
    pub sizes: Vec<usize>,
    pub seeds: u64,
}

/// A goal: what is asked of Weft, and what it reached.
struct Goal {
    text: String,
    reached: Option<f64>,
    limit: f64,
}

impl Results {
    fn find(&self, load: Load, cpus: usize, policy: Kind) -> Option<&[Values]> {
        let wanted = Case { load, cpus, policy };
        let index = self.cases.iter().position(|case| *case == wanted)?;
        Some(&self.samples[index])
    }

    fn band(&self, load: Load, cpus: usize, policy: Kind, metric: Metric) -> Option<Band> {
        Some(band(self.find(load, cpus, policy)?, metric))
    }

    fn mean(&self, load: Load, cpus: usize, metric: Metric) -> Option<f64> {
        Some(self.band(load, cpus, Kind::Weft, metric)?.mean)
    }

    /// Weft's figure divided by the bound's.
    fn times_bound(&self, load: Load, cpus: usize, metric: Metric) -> Option<f64> {
        let bound = self.band(load, cpus, Kind::Central, metric)?.mean;
        Some(self.mean(load, cpus, metric)? / bound)
    }

    fn goals(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        for ((cpus, percent), limit) in matrix::GOALS.into_iter().zip([3.0, 4.0]) {
            let load = Load::Exponential(percent);
            let mut add = |text: &str, reached, limit| {
                let text = format!("{text}, {cpus} CPUs, load 0.{percent}");
                goals.push(Goal {
                    text,
                    reached,
                    limit,
                });
            };
            let delay = |metric| self.times_bound(load, cpus, metric);
            add(
                "p99.9 delay, times the bound",
                delay(Metric::DelayP999),
                limit,
            );
            add(
                "p99.9 waiting, times the bound",
                delay(Metric::WaitingP999),
                limit,
            );
            add(
                "probes per wake",
                self.mean(load, cpus, Metric::Probes),
                2.0,
            );
            add(
                "interrupts per wake",
                self.mean(load, cpus, Metric::Ipis),
                1.0,
            );
            add(
                "wasted core time, %",
                self.mean(load, cpus, Metric::Wasted),
                2.0,
            );
        }
        goals
    }

    /// The goals as a table; a miss is marked.
    pub fn goal_table(&self) -> String {
        let mut text = String::from("| goal | at most | reached | |\n|---|---|---|---|\n");
        for Goal {
            text: goal,
            reached,
            limit,
        } in self.goals()
        {
            let Some(reached) = reached else { continue };
            let mark = if round(reached) <= limit {
                "met"
            } else {
                "🔴 **missed**"
            };
            let _ = writeln!(text, "| {goal} | {limit} | {} | {mark} |", number(reached));
        }
        text
    }

    /// One table: a row per policy, a column per abscissa and metric.
    fn table(&self, title: &str, columns: &[(String, Load, usize, Metric)]) -> String {
        let mut text = format!("\n### {title}\n\n| policy |");
        for (name, ..) in columns {
            let _ = write!(text, " {name} |");
        }
        let _ = write!(text, "\n|---|{}", "---|".repeat(columns.len()));
        for policy in Kind::ALL {
            let cell = |(_, load, cpus, metric): &(String, Load, usize, Metric)| {
                let band = self.band(*load, *cpus, policy, *metric);
                band.map(|band| format!("{} ±{}", number(band.mean), number(band.half)))
            };
            let cells: Vec<_> = columns.iter().map(cell).collect();
            if cells.iter().all(Option::is_none) {
                continue;
            }
            let _ = write!(text, "\n| {} |", policy.name());
            for cell in cells {
                let _ = write!(text, " {} |", cell.unwrap_or_else(|| "-".into()));
            }
        }
        text.push('\n');
        text
    }

    /// All tables.
    pub fn tables(&self) -> String {
        let typical = matrix::typical(&self.sizes);
        let mut text = format!("## Goals\n\n{}", self.goal_table());
        for &cpus in &self.sizes {
            let columns = matrix::LOADS.map(|load| {
                (
                    format!("0.{load}"),
                    Load::Exponential(load),
                    cpus,
                    Metric::DelayP999,
                )
            });
            text += &self.table(
                &format!("Delay p99.9 in us, {cpus} CPUs, by load"),
                &columns,
            );
        }
        for &cpus in self.sizes.iter().filter(|&&cpus| cpus >= 64) {
            let load = Load::Exponential(if cpus == 64 { 85 } else { 95 });
            let columns = [
                ("delay p50", Metric::DelayP50),
                ("delay p99", Metric::DelayP99),
                ("waiting mean", Metric::WaitingMean),
                ("waiting p99.9", Metric::WaitingP999),
                ("wasted %", Metric::Wasted),
                ("steals", Metric::Steals),
                ("probes", Metric::Probes),
                ("IPIs", Metric::Ipis),
                ("switches", Metric::Switches),
            ];
            let columns = columns.map(|(name, metric)| (name.to_string(), load, cpus, metric));
            text += &self.table(&format!("Per wake, {cpus} CPUs, {load:?} %"), &columns);
        }
        let by = |name: &str, load: Load, cpus, metric| (name.to_string(), load, cpus, metric);
        let bimodal = matrix::LOADS.map(|load| {
            by(
                &format!("0.{load}"),
                Load::Bimodal(load),
                typical,
                Metric::WaitingP99,
            )
        });
        text += &self.table(
            &format!("Bimodal: waiting p99 in us, {typical} CPUs"),
            &bimodal,
        );
        let pinned = matrix::PINNED.map(|percent| {
            by(
                &format!("{percent} %"),
                Load::Pinned(percent),
                typical,
                Metric::DelayP999,
            )
        });
        text += &self.table(
            &format!("Pinned: delay p99.9 in us, {typical} CPUs"),
            &pinned,
        );
        let nodes = matrix::NODES.map(|nodes| {
            by(
                &format!("{nodes} nodes"),
                Load::Nodes(nodes),
                typical,
                Metric::FarMoves,
            )
        });
        text += &self.table("Moves to another node per wake, load 0.85", &nodes);
        let nodes = nodes.map(|(name, load, cpus, _)| (name, load, cpus, Metric::DelayP999));
        text += &self.table("Memory nodes: delay p99.9 in us, load 0.85", &nodes);
        let little = matrix::LITTLE.map(|load| {
            by(
                &format!("0.{load}"),
                Load::BigLittle(load),
                typical,
                Metric::WaitingP999,
            )
        });
        text += &self.table(
            "Half of the clusters at half speed: waiting p99.9 in us",
            &little,
        );
        let bursts: Vec<_> = self
            .sizes
            .iter()
            .map(|&cpus| by(&format!("{cpus} CPUs"), Load::Bursts, cpus, Metric::Burst))
            .collect();
        text += &self.table(
            "A burst of two threads a CPU: until the last ends, us",
            &bursts,
        );
        let small = typical.min(16);
        let messages = [
            (1, Metric::Messages),
            (1, Metric::Ipis),
            (4, Metric::Messages),
            (4, Metric::Ipis),
        ]
        .map(|(pairs, metric)| {
            by(
                &format!("{pairs} pairs: {metric:?}"),
                Load::Messages(pairs),
                small,
                metric,
            )
        });
        text += &self.table(
            &format!("Messages (per us and CPU) and interrupts (per wake), {small} CPUs"),
            &messages,
        );
        let jain = matrix::HOGS.map(|hogs| {
            by(
                &format!("{} hogs", 2 * hogs),
                Load::Hogs(hogs),
                4,
                Metric::Jain,
            )
        });
        text += &self.table("Fairness: Jain's index after 1 s on 4 CPUs", &jain);
        let urgent: Vec<_> = self
            .sizes
            .iter()
            .filter(|&&cpus| cpus <= 64)
            .flat_map(|&cpus| {
                [("p50", Metric::DelayP50), ("p99.9", Metric::DelayP999)].map(|(name, metric)| {
                    by(&format!("{cpus} CPUs {name}"), Load::RealTime, cpus, metric)
                })
            })
            .collect();
        text + &self.table("Real time above two hogs a CPU: delay in us", &urgent)
    }

    /// All pictures but the heat map.
    pub fn pictures(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        let by_load = |cpus: usize, title: &str, metric| {
            let points =
                matrix::LOADS.map(|load| (f64::from(load) / 100.0, Load::Exponential(load), cpus));
            self.panel(
                &format!("{title}, {cpus} CPUs"),
                "load",
                false,
                &points,
                metric,
            )
        };
        for &cpus in &self.sizes {
            let panels = [
                by_load(cpus, "delay p50, us", Metric::DelayP50),
                by_load(cpus, "delay p99, us", Metric::DelayP99),
                by_load(cpus, "delay p99.9, us", Metric::DelayP999),
            ];
            plot::panels(&folder.join(format!("delay-{cpus}.svg")), &panels)?;
        }
        let wasted: Vec<_> = self
            .sizes
            .iter()
            .map(|&cpus| by_load(cpus, "wasted core time, %", Metric::Wasted))
            .collect();
        plot::panels(&folder.join("wasted.svg"), &wasted)?;
        let largest = [
            matrix::typical(&self.sizes),
            *self.sizes.iter().max().unwrap_or(&1),
        ];
        let costs = largest.into_iter().flat_map(|cpus| {
            [
                ("steals per wake", Metric::Steals),
                ("probes per wake", Metric::Probes),
                ("interrupts per wake", Metric::Ipis),
            ]
            .map(|(title, metric)| by_load(cpus, title, metric))
        });
        plot::panels(&folder.join("per-wake.svg"), &costs.collect::<Vec<_>>())?;
        let bursts: Vec<_> = self
            .sizes
            .iter()
            .map(|&cpus| (cpus as f64, Load::Bursts, cpus))
            .collect();
        let typical = matrix::typical(&self.sizes);
        let pinned =
            matrix::PINNED.map(|percent| (f64::from(percent), Load::Pinned(percent), typical));
        let bimodal =
            matrix::LOADS.map(|load| (f64::from(load) / 100.0, Load::Bimodal(load), typical));
        let panels = [
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
        ];
        plot::panels(&folder.join("workloads.svg"), &panels)
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

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Three digits are enough.
fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
