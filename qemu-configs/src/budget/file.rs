//! `budget.toml`: the rows with their budgets, and the reasons of those that were raised.

use crate::{Result, read_file, write_if_changed};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const HEAD: &str = "\
# Instructions that a row of user/bench may cost at 1 CPU. `make budget` lowers them to today's cost;
# `make budget REASON='...'` raises what has become dearer. `make test ONLY=budget` checks them.

[rows]
";

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    #[serde(default)]
    pub rows: BTreeMap<String, f64>,
    #[serde(default)]
    pub reasons: BTreeMap<String, String>,
}

impl Budget {
    pub fn load() -> Result<Self> {
        let path = path();
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = String::from_utf8(read_file(&path)?).map_err(|error| error.to_string())?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    pub fn save(&self) -> Result<()> {
        write_if_changed(&path(), self.text().as_bytes())
    }

    fn text(&self) -> String {
        let mut text = HEAD.to_string();
        for (row, cost) in &self.rows {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{row:?} = {cost:.1}");
        }
        text += "\n[reasons]\n";
        for (row, reason) in &self.reasons {
            let _ = writeln!(text, "{row:?} = {reason:?}");
        }
        text
    }

    /// The rows that cost more here than in an older version, without a new reason.
    pub fn raised_silently(&self, older: &Self) -> Vec<String> {
        let raised =
            |(row, cost): &(&String, &f64)| older.rows.get(*row).is_some_and(|old| cost > &old);
        let unexplained = |(row, _): &(&String, &f64)| match self.reasons.get(*row) {
            Some(reason) => older.reasons.get(*row) == Some(reason),
            None => true,
        };
        let rows = self.rows.iter().filter(raised).filter(unexplained);
        rows.map(|(row, _)| row.clone()).collect()
    }
}

pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("budget.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(cost: f64, reason: Option<&str>) -> Budget {
        let mut budget = Budget::default();
        budget.rows.insert("switch.2".into(), cost);
        let reason = reason.map(|reason| ("switch.2".to_string(), reason.to_string()));
        budget.reasons.extend(reason);
        budget
    }

    #[test]
    fn what_is_written_can_be_read() {
        let budget = budget(12.0, Some("it says \"more\""));
        assert_eq!(Budget::parse(&budget.text()).unwrap(), budget);
    }

    #[test]
    fn a_rise_wants_a_new_reason() {
        let old = budget(10.0, Some("old"));
        assert!(budget(10.0, None).raised_silently(&old).is_empty());
        assert!(budget(12.0, Some("new")).raised_silently(&old).is_empty());
        assert_eq!(
            budget(12.0, Some("old")).raised_silently(&old),
            ["switch.2"]
        );
        assert_eq!(budget(12.0, None).raised_silently(&old), ["switch.2"]);
    }
}
