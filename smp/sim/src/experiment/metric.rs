//! What is measured of a case.

use crate::machine::Machine;
use crate::workload::Workload;

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

/// What the machine has measured.
pub(super) fn values<W: Workload>(machine: &Machine<W>) -> Values {
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
    values
}
