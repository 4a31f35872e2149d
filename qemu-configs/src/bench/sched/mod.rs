//! `launch bench-sched`: the scheduler's acceptance metrics (`sched.toml`, `metric.rs`), each
//! beside its target and Linux (`page.rs`).

mod metric;
mod page;

use super::contender::{self, Contender};
use super::results::Results;
use super::rows::Setting;
use crate::Result;
use metric::Metric;
use std::process::ExitCode;

const SAMPLES: usize = 5;

#[derive(Default)]
struct Options {
    settings: Vec<Setting>,
    record: bool,
    ours_alone: bool,
}

pub fn command(arguments: lexopt::Parser) -> Result<ExitCode> {
    let options = parse(arguments)?;
    let metrics = metric::load()?;
    std::fs::create_dir_all("build/test").map_err(|error| format!("build/test: {error}"))?;
    let mut results = match options.record {
        true => Results::load(page::STORE.as_ref())?,
        false => Results::default(),
    };
    let contenders = contenders(options.ours_alone);
    for &setting in &options.settings {
        measure(&mut results, &metrics, setting, &contenders);
        if options.record {
            results.save(page::STORE.as_ref())?;
            page::write(&results, &metrics)?;
        }
    }
    let missed = show(&results, &metrics, &options.settings);
    Ok(ExitCode::from(u8::from(missed > 0)))
}

fn parse(mut arguments: lexopt::Parser) -> Result<Options> {
    use lexopt::prelude::*;
    let mut options = Options::default();
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        let name = match argument {
            Long("record") => {
                options.record = true;
                continue;
            }
            Long("ours") => {
                options.ours_alone = true;
                continue;
            }
            Long(name) => name,
            other => return Err(other.unexpected().to_string()),
        };
        let setting = Setting::SCHED
            .into_iter()
            .find(|setting| setting.key() == name);
        let setting = setting.ok_or(format!("there is no --{name}"))?;
        options.settings.push(setting);
    }
    if options.settings.is_empty() {
        let usual = Setting::SCHED.into_iter();
        options.settings = usual.filter(|setting| !setting.takes_long()).collect();
    }
    Ok(options)
}

fn contenders(ours_alone: bool) -> Vec<Contender> {
    let mut contenders = vec![contender::weft()];
    if ours_alone {
        return contenders;
    }
    match contender::linux() {
        Ok([tuned, _]) => contenders.push(tuned),
        Err(why) => eprintln!("== {why}; Weft runs alone"),
    }
    contenders
}

fn measure(results: &mut Results, metrics: &[Metric], setting: Setting, all: &[Contender]) {
    let rows = metric::program_rows(metrics, setting);
    let asked = if setting.ours_alone() { 1 } else { all.len() };
    results.begin(setting);
    for contender in &all[..asked] {
        eprintln!("== {}: {}", setting.title(), contender.title);
        let figures = contender.run(setting, &rows, SAMPLES);
        results.add(setting, contender.key, figures);
    }
}

/// Prints the metrics of these settings; how many are missed.
fn show(results: &Results, metrics: &[Metric], settings: &[Setting]) -> usize {
    let shown = || {
        metrics
            .iter()
            .filter(|metric| settings.contains(&metric.on))
    };
    page::print_head();
    let missed = shown()
        .map(|metric| (metric, metric.measured(results)))
        .inspect(|(metric, measured)| page::print(metric, measured))
        .filter(|(_, measured)| !measured.met)
        .count();
    println!("{} of {} met", shown().count() - missed, shown().count());
    missed
}
