//! The test stage: no row above its budget, no budget raised without a reason.

use super::file::Budget;
use super::{TOLERANCE, costs};
use crate::test::report::Report;
use std::process::Command;

pub fn stage(report: &mut Report) {
    let (budget, costs) = match (Budget::load(), costs()) {
        (Ok(budget), Ok(costs)) => (budget, costs),
        (Err(why), _) | (_, Err(why)) => return report.record("can be measured", Err(why)),
    };
    for (row, &allowed) in &budget.rows {
        let outcome = match costs.get(row) {
            Some(&cost) => within(cost, allowed),
            None => Err("it has no figure any more".into()),
        };
        report.record(row, outcome);
    }
    match committed_before() {
        Some(older) => report.record("raised only with a reason", explained(&budget, &older)),
        None => report.skip("raised only with a reason", "no older version is known"),
    }
}

fn within(cost: f64, allowed: f64) -> Result<(), String> {
    match cost <= allowed * TOLERANCE {
        true => Ok(()),
        false => Err(format!(
            "{cost:.0} instructions, {:.1} % above the budget of {allowed:.0}",
            (cost / allowed - 1.0) * 100.0
        )),
    }
}

fn explained(budget: &Budget, older: &Budget) -> Result<(), String> {
    match budget.raised_silently(older) {
        rows if rows.is_empty() => Ok(()),
        rows => Err(rows.join(", ")),
    }
}

/// The file as it was one commit ago.
fn committed_before() -> Option<Budget> {
    let show = Command::new("git")
        .args(["show", "HEAD~1:qemu-configs/budget.toml"])
        .output()
        .ok()?;
    let text = show.status.success().then_some(show.stdout)?;
    Budget::parse(&String::from_utf8(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn five_percent_are_tolerated() {
        assert!(super::within(104.9, 100.0).is_ok());
        assert!(super::within(105.1, 100.0).unwrap_err().contains("5.1 %"));
    }
}
