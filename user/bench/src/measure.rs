//! How a row is repeated, and what comes out of it.
//!
//! A *sample* is the mean cost of one operation over a short loop. The first sample warms
//! caches, pools and page tables up and is thrown away.

use crate::{clock, window};
use nix::errno::Errno;

/// How often a row takes a sample.
#[derive(Clone, Copy)]
pub struct Plan {
    pub samples: usize,
}

/// One figure of a row. `part` is empty when the row has only one.
#[derive(Clone)]
pub struct Figure {
    pub part: String,
    pub unit: Unit,
    pub samples: Vec<f64>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Unit {
    /// Nanoseconds, or instructions where one is the other: less is better.
    Nanoseconds,
    /// A factor or an index: more is better.
    Index,
    /// Something counted: less is better.
    Count,
}

/// Why a row has no figure.
pub enum Trouble {
    /// The kernel or the machine does not have what the row is about.
    Unsupported(String),
    Failed(String),
}

pub type Outcome = Result<Vec<Figure>, Trouble>;

impl Plan {
    /// Times `operations` calls of `operation` for each sample.
    pub fn each(self, operations: u32, mut operation: impl FnMut()) -> Vec<f64> {
        self.batches(operations, || {
            clock::time(|| (0..operations).for_each(|_| operation()))
        })
    }

    /// For loops that set themselves up and say how many nanoseconds counted.
    pub fn batches(self, operations: u32, mut batch: impl FnMut() -> u64) -> Vec<f64> {
        batch();
        let sample = |_| batch() as f64 / f64::from(operations);
        window::around(|| (0..self.samples).map(sample).collect())
    }

    /// As `batches`, for a loop that can fail.
    pub fn try_batches(
        self,
        operations: u32,
        mut batch: impl FnMut() -> Result<u64, Trouble>,
    ) -> Result<Vec<f64>, Trouble> {
        batch()?;
        let sample = |_| batch().map(|spent| spent as f64 / f64::from(operations));
        window::around(|| (0..self.samples).map(sample).collect())
    }
}

/// The outcome of a row with one figure, in nanoseconds.
pub fn one(samples: Vec<f64>) -> Outcome {
    Ok(vec![figure("", samples)])
}

pub fn figure(part: &str, samples: Vec<f64>) -> Figure {
    Figure {
        part: part.to_string(),
        unit: Unit::Nanoseconds,
        samples,
    }
}

pub fn index(part: &str, samples: Vec<f64>) -> Figure {
    Figure {
        unit: Unit::Index,
        ..figure(part, samples)
    }
}

pub fn count(part: &str, samples: Vec<f64>) -> Figure {
    Figure {
        unit: Unit::Count,
        ..figure(part, samples)
    }
}

/// The figures of a distribution: one measured value each, not a mean.
pub fn percentiles(part: &str, mut values: Vec<f64>) -> Vec<Figure> {
    values.sort_by(f64::total_cmp);
    let at = |fraction: f64| values[((values.len() - 1) as f64 * fraction).round() as usize];
    let named = [("p50", 0.5), ("p99", 0.99), ("max", 1.0)];
    let dot = if part.is_empty() { "" } else { "." };
    named
        .map(|(name, fraction)| figure(&format!("{part}{dot}{name}"), vec![at(fraction)]))
        .into()
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Self {
        match error {
            Errno::ENOSYS | Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT => {
                Self::Unsupported(error.desc().to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Errno::from_raw(number).into(),
            None => Self::Failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_batch_only_warms_up() {
        let mut costs = [900, 30, 10, 20].into_iter();
        let samples = Plan { samples: 3 }.batches(10, || costs.next().unwrap());
        assert_eq!(samples, [3.0, 1.0, 2.0]);
    }

    #[test]
    fn percentiles_are_measured_values() {
        let figures = percentiles("wake", (1..=101).rev().map(f64::from).collect());
        let found: Vec<_> = figures
            .iter()
            .map(|figure| (figure.part.as_str(), figure.samples[0]))
            .collect();
        assert_eq!(
            found,
            [("wake.p50", 51.0), ("wake.p99", 100.0), ("wake.max", 101.0)]
        );
    }
}
