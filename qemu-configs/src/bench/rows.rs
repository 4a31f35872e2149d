//! The rows of `bench.toml`, and where each is measured.

use crate::{Result, read_file};
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

/// The machines that a row can be measured on.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Setting {
    /// Instructions at 1 CPU.
    One,
    /// Instructions at 4 CPUs.
    Four,
    /// Wall-clock time, as many CPUs as a small host has.
    Wall,
    /// Wall-clock time, four CPUs that run at once.
    Crowd,
    /// Wall-clock time until the first login.
    Boot,
    /// Instructions of the kernel's own threads at 1 CPU, measured by itself.
    Kernel,
    /// A storm of threads on four CPUs at once.
    Storm,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub name: String,
    pub title: String,
    floor: Option<f64>,
    target: Option<f64>,
    pub on: Vec<Setting>,
    /// Why the target is missed or the row lost, as a profile shows it.
    #[serde(skip)]
    pub reason: Option<String>,
}

/// What several rows have in common.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    rows: Vec<String>,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    row: Vec<Row>,
    reason: Vec<Reason>,
}

/// The rows whose name starts with one of the words, or all.
pub fn load(words: &[String]) -> Result<Vec<Row>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench.toml");
    let text = String::from_utf8(read_file(&path)?).map_err(|error| error.to_string())?;
    let file: File =
        toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut rows = file.row;
    for Reason { rows: names, text } in file.reason {
        for name in names {
            let row = rows.iter_mut().find(|row| row.name == name);
            let row = row.ok_or(format!("a reason names {name}, which is no row"))?;
            row.reason = Some(text.clone());
        }
    }
    rows.retain(|row| words.is_empty() || words.iter().any(|word| row.name.starts_with(word)));
    match rows.is_empty() {
        true => Err(format!("no row is called {}", words.join(" or "))),
        false => Ok(rows),
    }
}

/// Ours divided by Linux's on the wall clock, of everything that is counted in instructions too.
const WALL_TARGET: f64 = 0.8;

impl Row {
    /// What is asked for there.
    pub fn target_on(&self, setting: Setting) -> Option<f64> {
        match setting {
            Setting::Wall if self.on != [setting] => Some(WALL_TARGET),
            _ => self.target,
        }
    }

    /// The floor is in instructions.
    pub fn floor_on(&self, setting: Setting) -> Option<f64> {
        self.floor.filter(|_| !setting.best())
    }

    /// The word that `user/bench` runs it by.
    pub fn program_row(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }
}

/// The seed and the length of the storm.
const SEED: u32 = 20_260;
const SWITCHES: u32 = 10_000_000;

impl Setting {
    /// Those of `make bench`, in the order of the page.
    pub const BENCH: [Self; 4] = [Self::One, Self::Four, Self::Wall, Self::Boot];
    /// Those of `make bench-sched`; the last one takes long, and runs only when it is named.
    pub const SCHED: [Self; 6] = [
        Self::One,
        Self::Kernel,
        Self::Four,
        Self::Wall,
        Self::Crowd,
        Self::Storm,
    ];

    pub fn takes_long(self) -> bool {
        self == Self::Storm
    }

    /// A boot that takes longer is ended. On a quiet computer none takes half of it.
    pub fn limit(self) -> Duration {
        let minutes = if self.takes_long() { 60 } else { 15 };
        Duration::from_secs(minutes * 60)
    }

    pub fn machine(self) -> &'static str {
        match self {
            Self::One | Self::Kernel => "virt-1-exact",
            Self::Four => "virt-4-exact",
            Self::Wall => "virt-2-wall",
            Self::Crowd | Self::Storm => "virt-4-wall",
            Self::Boot => "virt-4",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::One => "Instructions, 1 CPU",
            Self::Four => "Instructions, 4 CPUs",
            Self::Wall => "Nanoseconds, best of many, 2 CPUs",
            Self::Crowd => "Wall clock, 4 CPUs at once",
            Self::Boot => "Milliseconds from QEMU's start, best of several boots, 4 CPUs",
            Self::Kernel => "Instructions of kernel threads, 1 CPU",
            Self::Storm => "A storm of threads, 4 CPUs at once",
        }
    }

    pub fn key(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Four => "four",
            Self::Wall => "wall",
            Self::Crowd => "crowd",
            Self::Boot => "boot",
            Self::Kernel => "kernel",
            Self::Storm => "storm",
        }
    }

    /// What is only asked of Weft.
    pub fn ours_alone(self) -> bool {
        matches!(self, Self::Kernel | Self::Storm)
    }

    /// The best of many is shown instead of the median: on a shared host the rest is noise.
    pub fn best(self) -> bool {
        matches!(self, Self::Wall | Self::Crowd | Self::Boot)
    }

    /// The words on the kernel's command line that make it run these rows and power off.
    pub fn words(self, rows: &[&str], samples: usize) -> String {
        // One word: Linux panics when more than 32 words follow the dashes.
        let rows = rows.join(",");
        match self {
            Self::Kernel => format!("weft.selftest={rows}"),
            Self::Storm => {
                format!("-- /bin/stress --storm 64 --seed {SEED} --switches {SWITCHES}")
            }
            _ => format!("-- /bin/bench --samples {samples} {rows}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_has_its_own_target_and_no_floor() {
        let rows = load(&["null-syscall".into(), "fairness".into()]).unwrap();
        let of = |row: usize, setting| (rows[row].target_on(setting), rows[row].floor_on(setting));
        assert_eq!(of(0, Setting::One), (Some(0.5), Some(61.0)));
        assert_eq!(of(0, Setting::Wall), (Some(0.8), None));
        assert_eq!(of(1, Setting::Wall), (Some(1.0), None));
    }

    #[test]
    fn the_table_can_be_read_and_names_are_unique() {
        let mut names: Vec<_> = load(&[]).unwrap().into_iter().map(|row| row.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(load(&["no-such-row".into()]).is_err());
    }
}
