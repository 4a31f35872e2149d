//! One acceptance metric: where its figure comes from, and what it has to be.

use crate::bench::figures::{Figures, find};
use crate::bench::results::Results;
use crate::bench::rows::Setting;
use crate::bench::table::value;
use crate::{Result, read_file};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    pub number: u32,
    pub what: String,
    figure: String,
    over: Option<String>,
    pub on: Setting,
    #[serde(default = "one")]
    scale: f64,
    pub unit: String,
    target: f64,
    #[serde(default)]
    at_least: bool,
    #[serde(default)]
    of_linux: bool,
    /// What has to be known about how it is measured.
    pub note: Option<String>,
    /// Why the target is missed, as a profile shows it.
    pub reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    metric: Vec<Metric>,
}

fn one() -> f64 {
    1.0
}

pub fn load() -> Result<Vec<Metric>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sched.toml");
    let text = String::from_utf8(read_file(&path)?).map_err(|error| error.to_string())?;
    let file: File =
        toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(file.metric)
}

/// The words for the program that measures, each once.
pub fn program_rows(metrics: &[Metric], setting: Setting) -> Vec<&str> {
    let mut rows: Vec<&str> = Vec::new();
    for metric in metrics.iter().filter(|metric| metric.on == setting) {
        for figure in [Some(&metric.figure), metric.over.as_ref()]
            .into_iter()
            .flatten()
        {
            let row = figure.split('.').next().unwrap_or_default();
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
    }
    rows
}

/// A metric as it was measured.
pub struct Measured {
    pub bound: Option<f64>,
    pub linux: Option<f64>,
    pub ours: Option<f64>,
    pub met: bool,
}

impl Metric {
    pub fn measured(&self, results: &Results) -> Measured {
        let value = |contender| self.value(results.of(self.on, contender)?);
        let (ours, linux) = (value("weft"), value("linux"));
        Measured {
            bound: self.bound(linux),
            linux,
            ours,
            met: self.met(ours, linux),
        }
    }

    fn value(&self, figures: &Figures) -> Option<f64> {
        let number = |name| find(figures, name).ok().map(value(self.on));
        let over = match &self.over {
            Some(over) => number(over)?,
            None => 1.0,
        };
        Some(number(&self.figure)? * self.scale / over)
    }

    /// What must be reached; none where it depends on a Linux that did not run.
    fn bound(&self, linux: Option<f64>) -> Option<f64> {
        match self.of_linux {
            true => linux.map(|linux| linux * self.target),
            false => Some(self.target),
        }
    }

    fn met(&self, ours: Option<f64>, linux: Option<f64>) -> bool {
        match (ours, self.bound(linux)) {
            (Some(ours), Some(bound)) if self.at_least => ours >= bound,
            (Some(ours), Some(bound)) => ours <= bound,
            _ => false,
        }
    }

    pub fn sign(&self) -> &'static str {
        if self.at_least { ">=" } else { "<=" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_bounds_from_above_below_and_of_linux() {
        let mut metric = load().unwrap().remove(0);
        (metric.target, metric.at_least, metric.of_linux) = (2.0, false, false);
        assert!(metric.met(Some(2.0), None) && !metric.met(Some(2.1), None));
        metric.at_least = true;
        assert!(metric.met(Some(2.1), None) && !metric.met(Some(1.9), None));
        (metric.at_least, metric.of_linux) = (false, true);
        assert!(metric.met(Some(2.0), Some(1.0)) && !metric.met(Some(2.0), None));
        assert!(!metric.met(None, Some(1.0)));
    }

    #[test]
    fn every_metric_of_the_design_is_there() {
        let metrics = load().unwrap();
        let has = |number| metrics.iter().any(|metric| metric.number == number);
        assert!((1..=16).all(has));
    }
}
