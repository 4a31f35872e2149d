//! `docs/benchmarks.md` and its plots, made from `docs/benchmarks.json`.

use super::plot;
use super::results::{Results, Run};
use super::rows::{Row, Setting};
use super::table::{HEADER, Line, lines};
use super::verdict::Verdict;
use crate::{Result, write_if_changed};
use std::path::Path;

pub const STORE: &str = "docs/benchmarks.json";
const PAGE: &str = "docs/benchmarks.md";

const HEAD: &str = "\
# Measured against Linux

Made by `make bench BENCHFLAGS=--record`; do not edit. How it is measured and what the figures mean:
[runbooks/measuring.md](runbooks/measuring.md). Every row is here, won or lost. *Linux* is Debian's
kernel for arm64, tuned for speed; *default Linux* is the same kernel as it comes. *floor* is the same
thing on bare metal without a kernel, in instructions, where that was measured.
";

/// Writes the page and a plot for each setting that was measured.
pub fn write(results: &Results, rows: &[Row]) -> Result<()> {
    let mut page = HEAD.to_string();
    for setting in Setting::BENCH {
        let Some(run) = results.run(setting) else {
            continue;
        };
        let lines = lines(results, rows, setting);
        let plot = format!("benchmarks-{}.svg", setting.key());
        write_if_changed(
            &Path::new("docs").join(&plot),
            plot::bars(setting.title(), &lines).as_bytes(),
        )?;
        page += &section(setting, run, &lines, &plot);
    }
    write_if_changed(PAGE.as_ref(), page.as_bytes())
}

fn section(setting: Setting, run: &Run, lines: &[Line], plot: &str) -> String {
    let linux = run.linux.as_deref().unwrap_or("not measured");
    let mut text = format!(
        "\n## {title}\n\n{summary}\nWeft {commit}, Linux {linux}, QEMU {qemu}, machine `{machine}`.\n\n![{title}]({plot})\n\n",
        title = setting.title(),
        summary = summary(lines),
        commit = run.commit,
        qemu = run.qemu,
        machine = setting.machine(),
    );
    text += &row(&HEADER.map(String::from));
    text += "|---|--:|--:|--:|--:|--:|--:|---|\n";
    lines.iter().for_each(|line| text += &row(&line.cells));
    text + &reasons(lines)
}

/// Why rows are lost or above their target: each reason once, with its rows.
fn reasons(lines: &[Line]) -> String {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in lines {
        let Some(reason) = &line.reason else { continue };
        match found.iter_mut().find(|(text, _)| text == reason) {
            Some((_, titles)) => titles.push(&line.cells[0]),
            None => found.push((reason, vec![&line.cells[0]])),
        }
    }
    if found.is_empty() {
        return String::new();
    }
    let mut text = "\nWhy, as `make profile` shows it:\n\n".to_string();
    for (reason, titles) in found {
        text += &format!("- *{}*: {reason}\n", titles.join("; "));
    }
    text
}

/// `30 of 52 rows won with their target, 14 won, 8 lost.`
fn summary(lines: &[Line]) -> String {
    let count = |verdict| {
        lines
            .iter()
            .filter(|line| line.verdict == Some(verdict))
            .count()
    };
    format!(
        "{} of {} rows won and within their target, {} won above it, {} lost.",
        count(Verdict::Won),
        lines.len(),
        count(Verdict::AboveTarget),
        count(Verdict::Lost)
    )
}

fn row(cells: &[String; 8]) -> String {
    format!("| {} |\n", cells.join(" | "))
}
