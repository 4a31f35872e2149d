//! Reads the lines of `user/bench` (their form: `user/bench/src/report.rs`).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    /// More is better: an index or a factor. Otherwise nanoseconds, and less is.
    pub index: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    Measured(Figure),
    Missing { missing: String },
}

impl Entry {
    pub fn missing(why: &str) -> Self {
        Self::Missing {
            missing: why.to_string(),
        }
    }
}

impl Figure {
    /// Measured once; less is better.
    pub fn of(value: f64) -> Self {
        Self {
            median: value,
            min: value,
            max: value,
            index: false,
        }
    }
}

/// By name; a row that could not run has the reason under its own name.
pub type Figures = BTreeMap<String, Entry>;

/// The figures of a serial line, however far it came.
pub fn read(serial: &str) -> Figures {
    let lines = serial.lines().map(str::trim_end);
    lines.filter_map(|line| row(line).or(storm(line))).collect()
}

/// `bench NAME median=...`
fn row(line: &str) -> Option<(String, Entry)> {
    let (name, text) = line.strip_prefix("bench ")?.split_once(' ')?;
    (name != "ends:").then(|| (name.to_string(), entry(text)))
}

/// `storm: seed 1: 10000000 switches in 30 s, 0 breaches`
fn storm(line: &str) -> Option<(String, Entry)> {
    let summary = line
        .strip_prefix("storm: seed ")?
        .strip_suffix(" breaches")?;
    let breaches = summary.split(' ').next_back()?.parse().ok()?;
    Some(("storm".into(), Entry::Measured(Figure::of(breaches))))
}

fn entry(text: &str) -> Entry {
    match figure(text) {
        Some(figure) => Entry::Measured(figure),
        None => Entry::missing(text),
    }
}

fn figure(text: &str) -> Option<Figure> {
    let word = |key: &str| text.split(' ').find_map(|word| word.strip_prefix(key));
    Some(Figure {
        median: word("median=")?.parse().ok()?,
        min: word("min=")?.parse().ok()?,
        max: word("max=")?.parse().ok()?,
        index: word("unit=")? == "index",
    })
}

/// What a name stands for: its figure, or why its row has none.
pub fn find<'a>(figures: &'a Figures, name: &str) -> Result<&'a Figure, &'a str> {
    let row = name.split('.').next().unwrap_or_default();
    match figures.get(name).or_else(|| figures.get(row)) {
        Some(Entry::Measured(figure)) => Ok(figure),
        Some(Entry::Missing { missing }) => Err(missing),
        None => Err("not measured"),
    }
}

/// Whether a row has said anything: figures, or why there are none.
pub fn has(figures: &Figures, row: &str) -> bool {
    let of_row = |name: &String| name.split('.').next() == Some(row);
    figures.keys().any(of_row)
}

/// The best of two runs of the same rows, figure by figure.
pub fn best(old: &mut Figures, new: Figures) {
    for (name, entry) in new {
        match (old.get_mut(&name), entry) {
            (Some(Entry::Measured(old)), Entry::Measured(new)) => {
                old.min = old.min.min(new.min);
                old.max = old.max.max(new.max);
                old.median = old.median.min(new.median);
            }
            (Some(Entry::Measured(_)), Entry::Missing { .. }) => {}
            (_, entry) => drop(old.insert(name, entry)),
        }
    }
}

/// The names whose figures differ between two runs.
pub fn differences(one: &Figures, other: &Figures) -> Vec<String> {
    let names = one.keys().filter(|name| one.get(*name) != other.get(*name));
    names.cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "[0.1] boot\nbench a median=2.0 min=1.0 max=3.0 samples=5 unit=ns\r\n\
        bench b.p50 median=0.5 min=0.5 max=0.5 samples=1 unit=index\n\
        bench c unsupported: no such call\nbench ends: 0 failed\n";

    #[test]
    fn figures_and_reasons_are_found() {
        let figures = read(LINES);
        assert_eq!(find(&figures, "a").unwrap().median, 2.0);
        assert!(find(&figures, "b.p50").unwrap().index);
        assert_eq!(find(&figures, "c.p50"), Err("unsupported: no such call"));
        assert_eq!(find(&figures, "d"), Err("not measured"));
    }

    #[test]
    fn what_came_before_an_early_end_is_kept() {
        let figures = read("bench a.p50 median=1.0 min=1.0 max=1.0 samples=1 unit=ns\nbench");
        assert!(has(&figures, "a") && !has(&figures, "a.p50") && !has(&figures, "b"));
    }

    #[test]
    fn a_storm_counts_its_breaches() {
        let figures = read("storm: seed 1: 10000017 switches in 31 s, 3 breaches\n");
        assert_eq!(find(&figures, "storm").unwrap().median, 3.0);
    }

    #[test]
    fn the_best_of_two_runs_is_kept() {
        let mut old = read(LINES);
        let faster = LINES.replace("median=2.0 min=1.0", "median=1.5 min=0.5");
        let new = read(&faster);
        assert_eq!(differences(&old, &new), ["a"]);
        best(&mut old, new);
        let figure = find(&old, "a").unwrap();
        assert_eq!((figure.min, figure.median, figure.max), (0.5, 1.5, 3.0));
    }
}
