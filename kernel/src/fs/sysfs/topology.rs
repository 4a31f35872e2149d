//! Where each CPU is (`cpuN/topology`), and the memory nodes (`/sys/devices/system/node`).

use super::cpu::possible;
use crate::error::Result;
use crate::fs::node::{FileType, Visit};
use crate::fs::synthetic::{Directory, FIRST_COOKIE, Made, Table, Visitor, visit_all};
use crate::machine::{self, Place};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use percpu::{CpuId, CpuSet};

fn visit_files(names: &[&str], from: u64, visitor: &mut Visitor<'_>) -> Result<()> {
    let files = names.iter().map(|name| (name, FileType::Regular));
    visit_all(FIRST_COOKIE, files, from, visitor);
    Ok(())
}

fn line(text: impl ToString) -> Made {
    let text = format!("{}\n", text.to_string());
    Made::text(move || Ok(text.clone()))
}

/// The CPUs whose place is like that of `cpu`.
fn alike(cpu: CpuId, like: impl Fn(Place, Place) -> bool) -> CpuSet {
    let machine = machine::get();
    let own = machine.place(cpu);
    let others = possible();
    let alike = others
        .iter()
        .filter(|other| like(machine.place(*other), own));
    alike.collect()
}

fn same_core(a: Place, b: Place) -> bool {
    (a.package, a.cluster, a.core) == (b.package, b.cluster, b.core)
}

fn same_cluster(a: Place, b: Place) -> bool {
    (a.package, a.cluster) == (b.package, b.cluster)
}

fn same_package(a: Place, b: Place) -> bool {
    a.package == b.package
}

/// `cpuN/topology`.
pub struct Topology(pub CpuId);

const NAMES: &[&str] = &[
    "cluster_cpus",
    "cluster_cpus_list",
    "cluster_id",
    "core_cpus",
    "core_cpus_list",
    "core_id",
    "core_siblings",
    "core_siblings_list",
    "package_cpus",
    "package_cpus_list",
    "physical_package_id",
    "thread_siblings",
    "thread_siblings_list",
];

impl Directory for Topology {
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<()> {
        visit_files(NAMES, from, visitor)
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        let name = core::str::from_utf8(name).ok()?;
        let place = machine::get().place(self.0);
        let number = match name {
            "cluster_id" => Some(place.cluster.map_or(-1, i32::from)),
            "core_id" => Some(place.core.into()),
            "physical_package_id" => Some(place.package.into()),
            _ => None,
        };
        if let Some(number) = number {
            return Some(line(number));
        }
        let (kind, is_list) = match name.strip_suffix("_list") {
            Some(kind) => (kind, true),
            None => (name, false),
        };
        let set = match kind {
            "cluster_cpus" => alike(self.0, same_cluster),
            "core_cpus" | "thread_siblings" => alike(self.0, same_core),
            "core_siblings" | "package_cpus" => alike(self.0, same_package),
            _ => return None,
        };
        Some(line(shown(&set, is_list)))
    }
}

fn shown(set: &CpuSet, as_list: bool) -> String {
    match as_list {
        true => set.to_string(),
        false => format!("{set:x}"),
    }
}

/// `/sys/devices/system/node`.
pub struct Nodes;

const NODE_FILES: Table = Table(&[
    ("has_cpu", || line(list_of(&nodes()))),
    ("online", || line(list_of(&nodes()))),
    ("possible", || line(list_of(&nodes()))),
]);

/// The numbers of the nodes that have CPUs.
fn nodes() -> Vec<u16> {
    let places = machine::get().topology.places.iter();
    let mut nodes: Vec<u16> = places.map(|place| place.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// As a list of ranges.
fn list_of(nodes: &[u16]) -> String {
    let set: CpuSet = nodes
        .iter()
        .map(|node| CpuId::new((*node).into()))
        .collect();
    set.to_string()
}

impl Directory for Nodes {
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<()> {
        if NODE_FILES.show(from, visitor) == Visit::Continue {
            let name = |node| (format!("node{node}"), FileType::Directory);
            let nodes = nodes().into_iter().map(name);
            visit_all(NODE_FILES.next_cookie(), nodes, from, visitor);
        }
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        let node = || {
            let number = core::str::from_utf8(name.strip_prefix(b"node")?).ok()?;
            let found = nodes().into_iter().find(|node| node.to_string() == number);
            found.map(|node| Made::directory(Node(node)))
        };
        NODE_FILES.find(name).or_else(node)
    }
}

/// One memory node: its CPUs, and how far each node is.
struct Node(u16);

impl Directory for Node {
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<()> {
        visit_files(&["cpulist", "cpumap", "distance"], from, visitor)
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        let own = self.0;
        let machine = machine::get();
        let cpus = || -> CpuSet {
            let all = possible();
            all.iter()
                .filter(|cpu| machine.place(*cpu).node == own)
                .collect()
        };
        match name {
            b"cpulist" => Some(line(shown(&cpus(), true))),
            b"cpumap" => Some(line(shown(&cpus(), false))),
            b"distance" => {
                let layout = machine.layout();
                let row = nodes()
                    .into_iter()
                    .map(|to| layout.distance(own, to).to_string());
                Some(line(row.collect::<Vec<_>>().join(" ")))
            }
            _ => None,
        }
    }
}
