//! `launch bench-sched`: the scheduler's acceptance metrics (`sched.toml`), each beside its
//! target and Linux.

use super::contender::{self, Contender};
use super::figures::{Figures, find};
use super::rows::Setting;
use crate::{Result, read_file};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metric {
    number: u32,
    what: String,
    figure: String,
    over: Option<String>,
    on: Setting,
    #[serde(default = "one")]
    scale: f64,
    unit: String,
    target: f64,
    #[serde(default)]
    at_least: bool,
    #[serde(default)]
    of_linux: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    metric: Vec<Metric>,
}

/// By setting and contender.
type All = BTreeMap<(Setting, &'static str), Figures>;

fn one() -> f64 {
    1.0
}

pub fn command(mut arguments: lexopt::Parser) -> Result<ExitCode> {
    use lexopt::prelude::*;
    let mut settings = Vec::new();
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        match argument {
            Long("one") => settings.push(Setting::One),
            Long("four") => settings.push(Setting::Four),
            Long("crowd") => settings.push(Setting::Crowd),
            other => return Err(other.unexpected().to_string()),
        }
    }
    let mut metrics = load()?;
    metrics.retain(|metric| settings.is_empty() || settings.contains(&metric.on));
    std::fs::create_dir_all("build/test").map_err(|error| format!("build/test: {error}"))?;
    let all = measure(&metrics)?;
    println!(
        "\n{:>2}  {:52} {:>10} {:>10} {:>10}",
        "", "", "target", "Linux", "Weft"
    );
    let missed = metrics.iter().filter(|metric| !metric.show(&all)).count();
    println!("{} of {} met", metrics.len() - missed, metrics.len());
    Ok(ExitCode::from(u8::from(missed > 0)))
}

fn load() -> Result<Vec<Metric>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sched.toml");
    let text = String::from_utf8(read_file(&path)?).map_err(|error| error.to_string())?;
    let file: File =
        toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(file.metric)
}

fn measure(metrics: &[Metric]) -> Result<All> {
    let mut contenders = vec![contender::weft()];
    match contender::linux() {
        Ok([tuned, _]) => contenders.push(tuned),
        Err(why) => eprintln!("== {why}; Weft runs alone"),
    }
    let mut all = All::new();
    for setting in [Setting::One, Setting::Four, Setting::Crowd] {
        let rows = rows(metrics, setting);
        for contender in contenders.iter().filter(|_| !rows.is_empty()) {
            let figures = run(contender, setting, &rows)?;
            all.insert((setting, contender.key), figures);
        }
    }
    Ok(all)
}

fn run(contender: &Contender, setting: Setting, rows: &[&str]) -> Result<Figures> {
    eprintln!("== {}: {}", setting.title(), contender.title);
    contender.run(setting, rows, 5)
}

fn rows(metrics: &[Metric], setting: Setting) -> Vec<&str> {
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

impl Metric {
    fn value(&self, all: &All, contender: &'static str) -> Option<f64> {
        let figures = all.get(&(self.on, contender))?;
        let over = match &self.over {
            Some(over) => find(figures, over).ok()?.median,
            None => 1.0,
        };
        Some(find(figures, &self.figure).ok()?.median * self.scale / over)
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

    /// Prints the line; true when the target is met.
    fn show(&self, all: &All) -> bool {
        let (ours, linux) = (self.value(all, "weft"), self.value(all, "linux"));
        let met = self.met(ours, linux);
        let number = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.2}"));
        let sign = if self.at_least { ">=" } else { "<=" };
        let line = format!(
            "{:>2}  {:52} {sign} {:>7} {:>10} {:>10} {:5} {}",
            self.number,
            self.what,
            number(self.bound(linux)),
            number(linux),
            number(ours),
            self.unit,
            if met { "met" } else { "MISSED" },
        );
        println!("{}", colored(&line, met));
        met
    }
}

fn colored(line: &str, met: bool) -> String {
    match (std::io::stdout().is_terminal(), met) {
        (false, _) => line.to_string(),
        (true, true) => format!("\x1b[32m{line}\x1b[0m"),
        (true, false) => format!("\x1b[31m{line}\x1b[0m"),
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
}
