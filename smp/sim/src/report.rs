//! The results: what was asked of Weft and reached; tables and pictures of all.

mod pictures;
mod tables;

use std::fmt::Write as _;

use crate::experiment::{Band, Case, Load, Metric, Values, band};
use crate::matrix;
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

impl Goal {
    fn table(title: &str, goals: &[Self]) -> String {
        let mut table = format!("| {title} | at most | reached | |\n|---|---|---|---|\n");
        for goal in goals {
            let Some(reached) = goal.reached else {
                continue;
            };
            let mark = match round(reached) <= goal.limit {
                true => "met",
                false => "🔴 **missed**",
            };
            let (text, limit, reached) = (&goal.text, goal.limit, number(reached));
            let _ = writeln!(table, "| {text} | {limit} | {reached} | {mark} |");
        }
        table
    }
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

    fn goals(&self, terms: fn(u32) -> Load) -> Vec<Goal> {
        let mut goals = Vec::new();
        for ((cpus, percent), limit) in matrix::GOALS.into_iter().zip([3.0, 4.0]) {
            let load = terms(percent);
            let mut add = |text: &str, reached, limit| {
                let text = format!("{text}, {cpus} CPUs, load 0.{percent}");
                goals.push(Goal {
                    text,
                    reached,
                    limit,
                });
            };
            let times = |metric| self.times_bound(load, cpus, metric);
            let mean = |metric| self.mean(load, cpus, metric);
            add(
                "p99.9 delay, times the bound",
                times(Metric::DelayP999),
                limit,
            );
            add(
                "p99.9 waiting, times the bound",
                times(Metric::WaitingP999),
                limit,
            );
            add(
                "probes per wake in search of work",
                mean(Metric::WorkProbes),
                2.0,
            );
            add("the same and in search of a CPU", mean(Metric::Probes), 2.0);
            add("interrupts per wake", mean(Metric::Ipis), 1.0);
            add("wasted core time, %", mean(Metric::Wasted), 2.0);
        }
        goals
    }

    /// The goals as two tables: in the terms of the sketch that set them, and with all costs. A miss
    /// is marked.
    pub fn goal_tables(&self) -> String {
        let (sketch, strict) = (self.goals(Load::Sketch), self.goals(Load::Exponential));
        let sketch = Goal::table("in the sketch's terms", &sketch);
        format!("{sketch}\n{}", Goal::table("with all costs", &strict))
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
