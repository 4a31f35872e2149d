//! The files that tell about CPUs and switch them.

use common::cpu_list;
use nix::sched::CpuSet;
use std::io::ErrorKind;

const CPUS: &str = "/sys/devices/system/cpu";
const NODES: &str = "/sys/devices/system/node";

/// The CPUs that are built in, on or off.
pub fn present() -> Result<CpuSet, String> {
    let path = format!("{CPUS}/present");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    cpu_list::parse_list(&text)
}

/// What is known about one CPU.
pub struct Cpu {
    pub online: bool,
    pub package: Option<i64>,
    pub cluster: Option<i64>,
    pub node: Option<i64>,
    pub capacity: Option<i64>,
}

impl Cpu {
    pub fn read(number: usize) -> Self {
        let file = |name: &str| self::number(&format!("{CPUS}/cpu{number}/{name}"));
        Self {
            // Linux leaves the file out where a CPU cannot go off.
            online: file("online") != Some(0),
            package: file("topology/physical_package_id"),
            cluster: file("topology/cluster_id"),
            node: node_of(number),
            capacity: file("cpu_capacity"),
        }
    }
}

fn number(path: &str) -> Option<i64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn node_of(cpu: usize) -> Option<i64> {
    let listing = std::fs::read_dir(NODES).ok()?;
    let nodes = listing.flatten().filter_map(|entry| {
        entry
            .file_name()
            .to_str()?
            .strip_prefix("node")?
            .parse()
            .ok()
    });
    let holds = |node: &i64| {
        let text = std::fs::read_to_string(format!("{NODES}/node{node}/cpulist"));
        let set = text.ok().and_then(|text| cpu_list::parse_list(&text).ok());
        set.is_some_and(|set| set.is_set(cpu).unwrap_or(false))
    };
    nodes.into_iter().find(holds)
}

/// Takes a CPU off or brings it back; a message that says why not.
pub fn set_online(cpu: usize, online: bool) -> Result<(), String> {
    let path = format!("{CPUS}/cpu{cpu}/online");
    let written = std::fs::write(&path, if online { "1" } else { "0" });
    written.map_err(|error| match error.kind() {
        ErrorKind::ResourceBusy => format!("CPU {cpu} is the last one: it stays on"),
        ErrorKind::NotFound => format!("CPU {cpu} cannot be switched"),
        ErrorKind::PermissionDenied => format!("CPU {cpu}: only root may switch CPUs"),
        ErrorKind::Unsupported => format!("CPU {cpu}: the firmware cannot switch CPUs"),
        _ => format!("CPU {cpu} does not go {}: {error}", on_or_off(online)),
    })
}

fn on_or_off(online: bool) -> &'static str {
    if online { "on" } else { "off" }
}
