//! What was measured: the figures of every contender in every setting, kept as JSON.
//!
//! Each setting carries what it was measured with, because settings may be measured apart.

use super::contender::linux_version;
use super::figures::{Figures, best};
use super::rows::Setting;
use crate::{Result, qemu, read_file, write_if_changed};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

#[derive(Default, Serialize, Deserialize)]
pub struct Results {
    settings: BTreeMap<String, Run>,
}

/// One setting: the tools, and the figures by contender.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Run {
    pub commit: String,
    pub qemu: String,
    pub linux: Option<String>,
    figures: BTreeMap<String, Figures>,
}

impl Results {
    /// What an earlier run has kept; nothing when there is none.
    pub fn load(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        serde_json::from_slice(&read_file(path)?)
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        write_if_changed(path, (text + "\n").as_bytes())
    }

    /// Forgets a setting's figures: it is measured anew, with the tools of now.
    pub fn begin(&mut self, setting: Setting) {
        let run = Run {
            commit: commit(),
            qemu: output(qemu::PROGRAM, &["--version"])
                .trim_start_matches("QEMU emulator version ")
                .to_string(),
            linux: linux_version(),
            figures: BTreeMap::new(),
        };
        self.settings.insert(setting.key().into(), run);
    }

    /// Adds a run; of several runs of the same rows the best is kept.
    pub fn add(&mut self, setting: Setting, contender: &str, figures: Figures) {
        let run = self.settings.entry(setting.key().into()).or_default();
        best(run.figures.entry(contender.into()).or_default(), figures);
    }

    pub fn run(&self, setting: Setting) -> Option<&Run> {
        self.settings.get(setting.key())
    }

    pub fn of(&self, setting: Setting, contender: &str) -> Option<&Figures> {
        self.run(setting)?.figures.get(contender)
    }
}

/// The commit that is measured. Changed files in docs, where earlier figures of the same run go, do
/// not count.
fn commit() -> String {
    let changed = [
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        ".",
        ":!docs",
    ];
    let clean = output("git", &changed).is_empty();
    let commit = output("git", &["describe", "--always"]);
    if clean { commit } else { commit + "-dirty" }
}

/// The first line that a tool prints; empty where it cannot be run.
fn output(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    let text = output.map_or(Vec::new(), |output| output.stdout);
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::{find, read};

    #[test]
    fn results_survive_json() {
        let mut results = Results::default();
        let lines = "bench a median=2.0 min=1.0 max=3.0 samples=5 unit=ns\n\
            bench b unsupported: why\nbench ends: 0 failed\n";
        results.add(Setting::One, "weft", read(lines));
        let text = serde_json::to_string(&results).unwrap();
        let again: Results = serde_json::from_str(&text).unwrap();
        let figures = again.of(Setting::One, "weft").unwrap();
        assert_eq!(find(figures, "a").unwrap().median, 2.0);
        assert_eq!(find(figures, "b"), Err("unsupported: why"));
        assert!(again.of(Setting::Four, "weft").is_none());
    }
}
