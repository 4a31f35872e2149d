//! The rows of `bench.toml`, and where each is measured.

use crate::{Result, read_file};
use serde::Deserialize;
use std::path::Path;

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
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub name: String,
    pub title: String,
    pub floor: Option<f64>,
    pub target: Option<f64>,
    pub on: Vec<Setting>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    row: Vec<Row>,
}

/// The rows whose name starts with one of the words, or all.
pub fn load(words: &[String]) -> Result<Vec<Row>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench.toml");
    let text = String::from_utf8(read_file(&path)?).map_err(|error| error.to_string())?;
    let mut rows = toml::from_str::<File>(&text)
        .map_err(|error| format!("{}: {error}", path.display()))?
        .row;
    rows.retain(|row| words.is_empty() || words.iter().any(|word| row.name.starts_with(word)));
    match rows.is_empty() {
        true => Err(format!("no row is called {}", words.join(" or "))),
        false => Ok(rows),
    }
}

impl Row {
    /// The word that `user/bench` runs it by.
    pub fn program_row(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }
}

impl Setting {
    pub const ALL: [Self; 3] = [Self::One, Self::Four, Self::Wall];

    pub fn machine(self) -> &'static str {
        match self {
            Self::One => "virt-1-exact",
            Self::Four => "virt-4-exact",
            Self::Wall => "virt-2-wall",
            Self::Crowd => "virt-4-wall",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::One => "Instructions, 1 CPU",
            Self::Four => "Instructions, 4 CPUs",
            Self::Wall => "Nanoseconds, best of many, 2 CPUs",
            Self::Crowd => "Wall clock, 4 CPUs at once",
        }
    }

    pub fn key(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Four => "four",
            Self::Wall => "wall",
            Self::Crowd => "crowd",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
