//! How the CPUs lie: `cpu-map`, `capacity-dmips-mhz`, `numa-node-id` and the distance map (Linux
//! bindings: cpu/cpu-topology.txt, cpu/cpu-capacity.txt, numa.txt).
//!
//! A tree may tell any of it wrongly. What is wrong is left out as a whole, which leaves the
//! machine flat in that respect, with a [`Doubt`] for the log.

#[cfg(test)]
mod tests;

use super::device_tree::{cells, cpu_nodes, string};
use alloc::vec::Vec;
use core::fmt;
use dtoolkit::Node;
use dtoolkit::fdt::{Fdt, FdtNode};

/// The capacity of the fastest CPU.
const FULL: u32 = 1024;
const MAX_NODES: u32 = 64;
/// What a distance table calls a node's distance to itself.
const LOCAL: u32 = 10;
/// Deeper nesting than any machine has.
const MAX_DEPTH: usize = 8;

/// Where one CPU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub package: u16,
    /// Different for all clusters of the machine; `None` without a `cpu-map`.
    pub cluster: Option<u16>,
    pub core: u16,
    pub node: u16,
    /// 1 to 1024, the fastest.
    pub capacity: u16,
}

/// All CPUs in order of logical number, and how far nodes are apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    pub places: Vec<Place>,
    /// `distance[a][b]`; empty when none is told.
    pub distance: Vec<Vec<u8>>,
    /// Whether the tree tells capacities at all.
    pub has_capacities: bool,
    /// Whether it tells memory nodes.
    pub has_nodes: bool,
    pub doubts: Vec<Doubt>,
}

/// What the tree tells wrongly, and what is assumed instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    Map(&'static str),
    Capacity,
    Node,
    Distance(&'static str),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map(why) => write!(f, "cpu-map {why}: no clusters"),
            Self::Capacity => f.write_str("capacity-dmips-mhz is not on every CPU: all are equal"),
            Self::Node => f.write_str("numa-node-id is not on every CPU or too big: one node"),
            Self::Distance(why) => write!(f, "distance-map {why}: all nodes are as far apart"),
        }
    }
}

impl Topology {
    pub fn parse(tree: Fdt<'_>) -> Self {
        let nodes: Vec<FdtNode<'_>> = cpu_nodes(tree).collect();
        let mut topology = Self {
            places: (0..nodes.len()).map(|cpu| flat(cpu as u16)).collect(),
            ..Self::default()
        };
        topology.read_map(tree, &nodes);
        topology.read_capacities(&nodes);
        topology.read_nodes(&nodes);
        topology.read_distances(tree);
        topology
    }

    fn read_map(&mut self, tree: Fdt<'_>, nodes: &[FdtNode<'_>]) {
        let cpus = tree.root().child("cpus");
        let Some(map) = cpus.and_then(|cpus| cpus.child("cpu-map")) else {
            return;
        };
        let mut walk = Walk {
            handles: nodes
                .iter()
                .map(|node| first_cell(*node, "phandle"))
                .collect(),
            found: nodes.iter().map(|_| None).collect(),
            clusters: 0,
        };
        let start = Spot::default();
        let read = walk.visit(map, start, 0).and_then(|()| {
            let complete: Option<Vec<Spot>> = walk.found.iter().copied().collect();
            complete.ok_or("leaves a CPU out")
        });
        match read {
            Ok(spots) => {
                for (place, spot) in self.places.iter_mut().zip(spots) {
                    place.package = spot.package;
                    place.cluster = Some(spot.cluster);
                    place.core = spot.core;
                }
            }
            Err(why) => self.doubts.push(Doubt::Map(why)),
        }
    }

    fn read_capacities(&mut self, nodes: &[FdtNode<'_>]) {
        let told = each(nodes, "capacity-dmips-mhz");
        let Some(told) = told else { return };
        let highest = told.iter().flatten().copied().max().unwrap_or(0);
        if told
            .iter()
            .any(|value| value.is_none_or(|value| value == 0))
        {
            return self.doubts.push(Doubt::Capacity);
        }
        self.has_capacities = true;
        for (place, value) in self.places.iter_mut().zip(told.iter().flatten()) {
            let scaled = u64::from(*value) * u64::from(FULL) / u64::from(highest);
            place.capacity = (scaled as u16).max(1);
        }
    }

    fn read_nodes(&mut self, nodes: &[FdtNode<'_>]) {
        let Some(told) = each(nodes, "numa-node-id") else {
            return;
        };
        let is_wrong = |id: &Option<u32>| id.is_none_or(|id| id >= MAX_NODES);
        if told.iter().any(is_wrong) {
            return self.doubts.push(Doubt::Node);
        }
        self.has_nodes = true;
        for (place, id) in self.places.iter_mut().zip(told.iter().flatten()) {
            place.node = *id as u16;
        }
    }

    fn read_distances(&mut self, tree: Fdt<'_>) {
        let is_map = |node: &FdtNode<'_>| string(*node, "compatible") == "numa-distance-map-v1";
        let Some(map) = tree.root().children().find(is_map) else {
            return;
        };
        match matrix(&cells(map, "distance-matrix")) {
            Ok(distance) => self.distance = distance,
            Err(why) => self.doubts.push(Doubt::Distance(why)),
        }
    }
}

/// A CPU about which nothing is told.
fn flat(core: u16) -> Place {
    Place {
        package: 0,
        cluster: None,
        core,
        node: 0,
        capacity: FULL as u16,
    }
}

fn first_cell(node: FdtNode<'_>, name: &str) -> Option<u32> {
    cells(node, name).first().copied()
}

/// The property of each CPU; `None` when no CPU has it.
fn each(nodes: &[FdtNode<'_>], name: &str) -> Option<Vec<Option<u32>>> {
    let told: Vec<_> = nodes.iter().map(|node| first_cell(*node, name)).collect();
    told.iter().any(Option::is_some).then_some(told)
}

/// Triples of node, node, distance, each for both directions unless the other is told too.
fn matrix(cells: &[u32]) -> Result<Vec<Vec<u8>>, &'static str> {
    let (triples, rest) = cells.as_chunks::<3>();
    if triples.is_empty() || !rest.is_empty() {
        return Err("is not made of triples");
    }
    let highest = triples.iter().map(|[a, b, _]| (*a).max(*b)).max();
    let count = highest.map_or(0, |highest| highest as usize + 1);
    if count > MAX_NODES as usize {
        return Err("names too high a node");
    }
    let unknown = smp::topology::REMOTE_DISTANCE;
    let mut distance = alloc::vec![alloc::vec![unknown; count]; count];
    for direction in [true, false] {
        for &[a, b, apart] in triples {
            if (a == b) != (apart == LOCAL) || !(LOCAL..=255).contains(&apart) {
                return Err("tells an impossible distance");
            }
            let (from, to) = if direction { (b, a) } else { (a, b) };
            distance[from as usize][to as usize] = apart as u8;
        }
    }
    Ok(distance)
}

/// Where the walk through the `cpu-map` is.
#[derive(Clone, Copy, Default)]
struct Spot {
    package: u16,
    cluster: u16,
    core: u16,
}

struct Walk {
    handles: Vec<Option<u32>>,
    found: Vec<Option<Spot>>,
    clusters: u16,
}

impl Walk {
    /// Sockets hold clusters, clusters clusters or cores, cores a CPU or threads.
    fn visit(&mut self, parent: FdtNode<'_>, at: Spot, depth: usize) -> Result<(), &'static str> {
        if depth > MAX_DEPTH {
            return Err("is nested too deeply");
        }
        if let Some(handle) = first_cell(parent, "cpu") {
            return self.note(handle, at);
        }
        for node in parent.children() {
            let mut at = at;
            let (kind, number) = split(node.name());
            match kind {
                "socket" => at.package = number,
                "cluster" => {
                    at.cluster = self.clusters;
                    self.clusters = self.clusters.saturating_add(1);
                }
                "core" => at.core = number,
                "thread" => {}
                _ => continue,
            }
            self.visit(node, at, depth + 1)?;
        }
        Ok(())
    }

    fn note(&mut self, handle: u32, at: Spot) -> Result<(), &'static str> {
        let known = self.handles.iter().position(|other| *other == Some(handle));
        let cpu = known.ok_or("names a CPU that is not there")?;
        match self.found[cpu].replace(at) {
            None => Ok(()),
            Some(_) => Err("names a CPU twice"),
        }
    }
}

/// `cluster3` is a cluster, number 3.
fn split(name: &str) -> (&str, u16) {
    let kind = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (kind, name[kind.len()..].parse().unwrap_or(0))
}
