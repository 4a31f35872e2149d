//! Budgets: how many instructions each row of `user/bench` may cost at 1 CPU.
//!
//! `launch budget` lowers `budget.toml` to what the rows cost now; a row is raised only with
//! `--reason`, which is kept beside it. The test stage `budget` (`check.rs`) fails a row that
//! costs more than 5 % above its budget. The file itself: `file.rs`.

mod check;
mod file;

pub use check::stage;

use crate::Result;
use crate::bench::contender;
use crate::bench::figures::{Entry, Figures};
use crate::bench::{measure, rows, rows::Setting};
use file::Budget;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// A row may cost this much more than its budget before the test fails.
const TOLERANCE: f64 = 1.05;

pub fn command(mut arguments: lexopt::Parser) -> Result<ExitCode> {
    use lexopt::prelude::*;
    let mut reason = String::new();
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        match argument {
            Long("reason") => {
                let text = arguments.value().map_err(|error| error.to_string())?;
                reason = text.to_string_lossy().into_owned();
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    std::fs::create_dir_all("build/test").map_err(|error| format!("build/test: {error}"))?;
    let mut budget = Budget::load()?;
    for (row, cost) in costs()? {
        adjust(&mut budget, &row, cost, &reason);
    }
    budget.save()?;
    Ok(ExitCode::SUCCESS)
}

/// Down at once, up only with a reason.
fn adjust(budget: &mut Budget, row: &str, cost: f64, reason: &str) {
    let rounded = cost.round();
    match budget.rows.get(row) {
        Some(&old) if rounded < old => {
            println!("{row}: {old} -> {rounded}");
            budget.reasons.remove(row);
        }
        Some(&old) if cost <= old * TOLERANCE => return,
        Some(&old) if reason.is_empty() => {
            println!("{row}: {old} stays, it costs {rounded}; --reason raises it");
            return;
        }
        Some(&old) => {
            println!("{row}: {old} -> {rounded}: {reason}");
            budget.reasons.insert(row.to_string(), reason.to_string());
        }
        None => println!("{row}: {rounded}"),
    }
    budget.rows.insert(row.to_string(), rounded);
}

/// What each row costs now, in instructions.
fn costs() -> Result<BTreeMap<String, f64>> {
    let rows = rows::load(&[])?;
    let names = measure::program_rows(&rows, Setting::One);
    let figures = contender::weft().run(Setting::One, &names, 5);
    let on_one = rows.iter().filter(|row| row.on.contains(&Setting::One));
    Ok(on_one.filter_map(|row| cost(&figures, &row.name)).collect())
}

fn cost(figures: &Figures, name: &str) -> Option<(String, f64)> {
    // The tail of a distribution hangs on single events, not on what a path costs.
    let tail = name.ends_with(".p99") || name.ends_with(".max");
    // So does a service's median, in whose bursts each wake waits for those before it: it has been
    // seen to double when code that it never runs had changed.
    let bursts = name.starts_with("service.");
    match figures.get(name)? {
        _ if tail || bursts => None,
        Entry::Measured(figure) if !figure.index => Some((name.to_string(), figure.median)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_go_down_and_up_only_with_a_reason() {
        let mut budget = Budget::default();
        adjust(&mut budget, "fork", 100.0, "");
        adjust(&mut budget, "fork", 90.2, "");
        assert_eq!(budget.rows["fork"], 90.0);
        adjust(&mut budget, "fork", 94.0, "");
        adjust(&mut budget, "fork", 120.0, "");
        assert_eq!(budget.rows["fork"], 90.0);
        adjust(&mut budget, "fork", 120.0, "it copies more");
        assert_eq!(budget.rows["fork"], 120.0);
        assert_eq!(budget.reasons["fork"], "it copies more");
    }
}
