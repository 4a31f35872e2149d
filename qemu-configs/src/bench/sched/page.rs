//! The table of metrics: on the terminal, red where missed, and as `docs/scheduler-metrics.md`.

use super::metric::{Measured, Metric};
use crate::bench::results::Results;
use crate::bench::rows::Setting;
use crate::{Result, write_if_changed};
use std::io::IsTerminal;

pub const STORE: &str = "docs/scheduler-metrics.json";
const PAGE: &str = "docs/scheduler-metrics.md";

const HEAD: &str = "\
# The scheduler's metrics

Made by `make bench-sched BENCHFLAGS=--record`; do not edit. The acceptance metrics of the scheduler's
design beside their targets and Linux, each where it can be measured (*machine*); how, and what the
figures mean: [runbooks/measuring.md](runbooks/measuring.md). A dash: Linux cannot be asked the same
way.
";

/// One line for a person at a terminal.
pub fn print(metric: &Metric, measured: &Measured) {
    let (
        Metric {
            number, what, unit, ..
        },
        sign,
    ) = (metric, metric.sign());
    let ([bound, linux, ours], verdict) = (figures(measured), verdict(measured));
    let line = format!(
        "{number:>2}  {what:58} {sign} {bound:>7} {linux:>10} {ours:>10} {unit:5} {verdict}"
    );
    let color = if measured.met { 32 } else { 31 };
    match std::io::stdout().is_terminal() {
        true => println!("\x1b[{color}m{line}\x1b[0m"),
        false => println!("{line}"),
    }
}

pub fn print_head() {
    println!(
        "\n{:62} {:>10} {:>10} {:>10}",
        "", "target", "Linux", "Weft"
    );
}

/// Writes the page of everything that was measured, now or before.
pub fn write(results: &Results, metrics: &[Metric]) -> Result<()> {
    let measured: Vec<_> = metrics
        .iter()
        .map(|metric| metric.measured(results))
        .collect();
    let met = measured.iter().filter(|measured| measured.met).count();
    let mut page = format!("{HEAD}\n**{met} of {} met.**\n\n", metrics.len());
    page +=
        "| | metric | target | Linux | Weft | | machine | |\n|--:|---|--:|--:|--:|---|---|---|\n";
    for (metric, measured) in metrics.iter().zip(&measured) {
        page += &row(metric, measured);
    }
    page += "\nMeasured with:\n\n";
    page += &Setting::SCHED
        .iter()
        .filter_map(|setting| tools(results, *setting))
        .collect::<String>();
    page += &list("What has to be known", metrics, |metric| {
        metric.note.as_ref()
    });
    let missed = metrics
        .iter()
        .zip(&measured)
        .filter(|(_, measured)| !measured.met && measured.ours.is_some());
    page += &list(
        "Why a target is missed",
        missed.map(|(metric, _)| metric),
        |metric| metric.reason.as_ref(),
    );
    write_if_changed(PAGE.as_ref(), page.as_bytes())
}

fn row(metric: &Metric, measured: &Measured) -> String {
    let verdict = match verdict(measured) {
        "MISSED" => "🔴 **MISSED**",
        other => other,
    };
    let (
        Metric {
            number, what, unit, ..
        },
        sign,
    ) = (metric, metric.sign());
    let ([bound, linux, ours], machine) = (figures(measured), metric.on.machine());
    format!(
        "| {number} | {what} | {sign} {bound} | {linux} | {ours} | {unit} | `{machine}` | {verdict} |\n"
    )
}

fn tools(results: &Results, setting: Setting) -> Option<String> {
    let run = results.run(setting)?;
    let linux = run.linux.as_deref().unwrap_or("not measured");
    let (title, machine) = (setting.title(), setting.machine());
    Some(format!(
        "- {title} (`{machine}`): Weft {}, Linux {linux}, QEMU {}\n",
        run.commit, run.qemu
    ))
}

fn list<'a>(
    title: &str,
    metrics: impl IntoIterator<Item = &'a Metric>,
    text: impl Fn(&Metric) -> Option<&String>,
) -> String {
    let item = |metric: &Metric| Some(format!("- *{}*: {}\n", metric.what, text(metric)?));
    let items: String = metrics.into_iter().filter_map(item).collect();
    match items.is_empty() {
        true => items,
        false => format!("\n## {title}\n\n{items}"),
    }
}

fn verdict(measured: &Measured) -> &'static str {
    match measured {
        Measured { met: true, .. } => "met",
        Measured { ours: None, .. } => "not measured",
        _ => "MISSED",
    }
}

/// The target, Linux's figure and ours.
fn figures(measured: &Measured) -> [String; 3] {
    // Minus nothing is nothing.
    let figure = |value: f64| format!("{:.2}", value + 0.0);
    let figures = [measured.bound, measured.linux, measured.ours];
    figures.map(|value| value.map_or("-".into(), figure))
}
