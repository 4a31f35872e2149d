//! A machine is a file in `machines/`: what QEMU is to emulate, and nothing else.
//!
//! `inherits = "other"` takes another machine's settings first; keys given here win.

use crate::Result;
use serde::Deserialize;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// One sentence for `launch machines`.
    pub description: String,
    pub cpus: u32,
    /// What QEMU's `-smp` takes after the count: `sockets=2,clusters=2,cores=2`.
    #[serde(default)]
    pub topology: String,
    /// `capacity-dmips-mhz` of each CPU, by way of an edited device tree (`tree.rs`).
    #[serde(default)]
    pub capacities: Vec<u32>,
    /// As QEMU's `-m` takes it.
    pub memory: String,
    /// As QEMU's `-cpu` takes it.
    pub cpu: String,
    /// As QEMU's `-machine` takes it.
    pub machine: String,
    /// As QEMU's `-accel` takes it.
    pub accel: String,
    /// Whether there is a network card.
    #[serde(default = "yes")]
    pub network: bool,
    /// Words for the kernel's command line.
    #[serde(default)]
    pub append: String,
    /// Whether the host's randomness reaches the machine.
    #[serde(default = "yes")]
    pub random: bool,
    /// Further QEMU arguments, as they are.
    #[serde(default)]
    pub extra: Vec<String>,
}

fn yes() -> bool {
    true
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("machines")
}

pub fn load(name: &str) -> Result<Machine> {
    table(name)?
        .try_into()
        .map_err(|error| format!("machine {name}: {error}"))
}

fn table(name: &str) -> Result<toml::Table> {
    let path = folder().join(format!("{name}.toml"));
    let text = std::fs::read_to_string(&path)
        .map_err(|_| format!("no machine {name}; see `launch machines`"))?;
    let mut own: toml::Table = text
        .parse()
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let Some(base) = own.remove("inherits") else {
        return Ok(own);
    };
    let mut merged = table(base.as_str().ok_or("`inherits` wants a name")?)?;
    merged.extend(own);
    Ok(merged)
}

pub fn names() -> Vec<String> {
    let Ok(listing) = std::fs::read_dir(folder()) else {
        return Vec::new();
    };
    let mut names: Vec<String> = listing
        .flatten()
        .filter_map(|entry| {
            Some(
                entry
                    .file_name()
                    .to_str()?
                    .strip_suffix(".toml")?
                    .to_string(),
            )
        })
        .collect();
    names.sort();
    names
}

pub fn list_command() -> Result<ExitCode> {
    for name in names() {
        println!("{name:16} {}", load(&name)?.description);
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_machine_file_can_be_read() {
        let names = super::names();
        assert!(names.iter().any(|name| name == "virt-4"));
        for name in names {
            super::load(&name).unwrap();
        }
    }
}
