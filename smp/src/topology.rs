//! How the CPUs of a machine lie: near neighbours, memory nodes, how far apart, how fast.

use alloc::vec::Vec;

/// So many CPUs at most share a cache line of masks (`cpu_mask.rs`).
pub const GROUP: usize = 64;
/// The capacity of the fastest CPU.
pub const FULL_CAPACITY: u16 = 1024;
/// Distances as firmware tables give them: a node to itself, and to another when none is told.
pub const LOCAL_DISTANCE: u8 = 10;
pub const REMOTE_DISTANCE: u8 = 20;

/// The machine's CPUs. All vectors but the last go by CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// A number naming the cluster of the CPU.
    pub cluster: Vec<u16>,
    /// How much work it does in a given time: 1 to [`FULL_CAPACITY`].
    pub capacity: Vec<u16>,
    /// The memory node it is near.
    pub node: Vec<u16>,
    /// `distance[a][b]`: from node `a` to node `b`; what is not told is [`REMOTE_DISTANCE`].
    pub distance: Vec<Vec<u8>>,
    /// How many CPUs share a cache line of masks: [`GROUP`], or fewer to see what that costs.
    pub group: usize,
}

impl Topology {
    /// `cpus` equal CPUs, `per_cluster` neighbours each, on one node.
    pub fn uniform(cpus: usize, per_cluster: usize) -> Self {
        Self {
            cluster: (0..cpus).map(|cpu| (cpu / per_cluster) as u16).collect(),
            capacity: (0..cpus).map(|_| FULL_CAPACITY).collect(),
            node: (0..cpus).map(|_| 0).collect(),
            distance: Vec::new(),
            group: GROUP,
        }
    }

    /// The same CPUs, so many of which share a cache line of masks.
    pub fn with_groups(mut self, group: usize) -> Self {
        self.group = group;
        self
    }

    /// The same CPUs with these capacities.
    pub fn with_capacity(mut self, capacity: impl Fn(usize) -> u16) -> Self {
        self.capacity = (0..self.cpu_count()).map(capacity).collect();
        self
    }

    /// The same CPUs on these nodes.
    pub fn with_nodes(mut self, node: impl Fn(usize) -> u16, distance: Vec<Vec<u8>>) -> Self {
        self.node = (0..self.cpu_count()).map(node).collect();
        self.distance = distance;
        self
    }

    pub fn cpu_count(&self) -> usize {
        self.cluster.len()
    }

    /// How far `b` is from `a`, both nodes.
    pub fn distance(&self, a: u16, b: u16) -> u8 {
        if a == b {
            return LOCAL_DISTANCE;
        }
        let told = self.distance.get(usize::from(a));
        told.and_then(|row| row.get(usize::from(b)))
            .copied()
            .unwrap_or(REMOTE_DISTANCE)
    }
}
