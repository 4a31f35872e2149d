//! All tables: a row per policy, a column per abscissa or metric.

use std::fmt::Write as _;

use super::{Results, number};
use crate::experiment::{Load, Metric};
use crate::matrix;
use crate::policy::Kind;

/// What stands in a column, and its name.
type Column = (String, Load, usize, Metric);

fn column(name: impl Into<String>, load: Load, cpus: usize, metric: Metric) -> Column {
    (name.into(), load, cpus, metric)
}

impl Results {
    /// All tables.
    pub fn tables(&self) -> String {
        let typical = matrix::typical(&self.sizes);
        [
            format!("## Goals\n\n{}", self.goal_tables()),
            self.delay_tables(),
            self.wake_tables(),
            self.bimodal_table(typical),
            self.pinned_table(typical),
            self.node_tables(typical),
            self.little_table(typical),
            self.burst_table(),
            self.message_table(typical.min(16)),
            self.fairness_table(),
            self.realtime_table(),
        ]
        .concat()
    }

    fn delay_tables(&self) -> String {
        let by_load = |&cpus: &usize| {
            let columns = matrix::LOADS.map(|load| {
                let name = format!("0.{load}");
                column(name, Load::Exponential(load), cpus, Metric::DelayP999)
            });
            let title = format!("Delay p99.9 in us, {cpus} CPUs, by load");
            self.table(&title, &columns)
        };
        self.sizes.iter().map(by_load).collect()
    }

    fn wake_tables(&self) -> String {
        let columns = [
            ("delay p50", Metric::DelayP50),
            ("delay p99", Metric::DelayP99),
            ("waiting mean", Metric::WaitingMean),
            ("waiting p99.9", Metric::WaitingP999),
            ("wasted %", Metric::Wasted),
            ("steals", Metric::Steals),
            ("probes for work", Metric::WorkProbes),
            ("for a CPU", Metric::CpuProbes),
            ("IPIs", Metric::Ipis),
            ("switches", Metric::Switches),
        ];
        let per_wake = |&cpus: &usize| {
            let load = Load::Exponential(if cpus == 64 { 85 } else { 95 });
            let columns = columns.map(|(name, metric)| column(name, load, cpus, metric));
            self.table(&format!("Per wake, {cpus} CPUs, {load:?} %"), &columns)
        };
        let large = self.sizes.iter().filter(|&&cpus| cpus >= 64);
        large.map(per_wake).collect()
    }

    fn bimodal_table(&self, cpus: usize) -> String {
        let columns = matrix::LOADS.map(|load| {
            let name = format!("0.{load}");
            column(name, Load::Bimodal(load), cpus, Metric::WaitingP99)
        });
        let title = format!("Bimodal: waiting p99 in us, {cpus} CPUs");
        self.table(&title, &columns)
    }

    fn pinned_table(&self, cpus: usize) -> String {
        let columns = matrix::PINNED.map(|percent| {
            let name = format!("{percent} %");
            column(name, Load::Pinned(percent), cpus, Metric::DelayP999)
        });
        let title = format!("Pinned: delay p99.9 in us, {cpus} CPUs");
        self.table(&title, &columns)
    }

    fn node_tables(&self, cpus: usize) -> String {
        let by_nodes = |metric| {
            matrix::NODES.map(|nodes| {
                let name = format!("{nodes} nodes");
                column(name, Load::Nodes(nodes), cpus, metric)
            })
        };
        let (moves, delay) = (by_nodes(Metric::FarMoves), by_nodes(Metric::DelayP999));
        self.table("Moves to another node per wake, load 0.85", &moves)
            + &self.table("Memory nodes: delay p99.9 in us, load 0.85", &delay)
    }

    fn little_table(&self, cpus: usize) -> String {
        let columns = matrix::LITTLE.map(|load| {
            let name = format!("0.{load}");
            column(name, Load::BigLittle(load), cpus, Metric::WaitingP999)
        });
        let title = "Half of the clusters at half speed: waiting p99.9 in us";
        self.table(title, &columns)
    }

    fn burst_table(&self) -> String {
        let by_size =
            |&cpus: &usize| column(format!("{cpus} CPUs"), Load::Bursts, cpus, Metric::Burst);
        let columns: Vec<_> = self.sizes.iter().map(by_size).collect();
        let title = "A burst of two threads a CPU: until the last ends, us";
        self.table(title, &columns)
    }

    fn message_table(&self, cpus: usize) -> String {
        let columns = [
            (1, Metric::Messages),
            (1, Metric::Ipis),
            (4, Metric::Messages),
            (4, Metric::Ipis),
        ]
        .map(|(pairs, metric)| {
            let name = format!("{pairs} pairs: {metric:?}");
            column(name, Load::Messages(pairs), cpus, metric)
        });
        let title = format!("Messages (per us and CPU) and interrupts (per wake), {cpus} CPUs");
        self.table(&title, &columns)
    }

    fn fairness_table(&self) -> String {
        let columns = matrix::HOGS.map(|hogs| {
            let name = format!("{} hogs", 2 * hogs);
            column(name, Load::Hogs(hogs), 4, Metric::Jain)
        });
        self.table("Fairness: Jain's index after 1 s on 4 CPUs", &columns)
    }

    fn realtime_table(&self) -> String {
        let both = |&cpus: &usize| {
            [("p50", Metric::DelayP50), ("p99.9", Metric::DelayP999)].map(|(name, metric)| {
                column(format!("{cpus} CPUs {name}"), Load::RealTime, cpus, metric)
            })
        };
        let small = self.sizes.iter().filter(|&&cpus| cpus <= 64);
        let columns: Vec<_> = small.flat_map(both).collect();
        self.table("Real time above two hogs a CPU: delay in us", &columns)
    }

    /// One table: a row per policy, a column per abscissa and metric.
    fn table(&self, title: &str, columns: &[Column]) -> String {
        let mut text = format!("\n### {title}\n\n| policy |");
        for (name, ..) in columns {
            let _ = write!(text, " {name} |");
        }
        let _ = write!(text, "\n|---|{}", "---|".repeat(columns.len()));
        for policy in Kind::ALL {
            let cell = |(_, load, cpus, metric): &Column| {
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
}
