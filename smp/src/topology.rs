//! How the CPUs lie: clusters of near neighbours, how far apart, how fast.
//!
//! A [`Map`] cluster is at most 64 CPUs of one cluster, node and capacity, and one word of each
//! [`CpuMask`](crate::cpu_mask::CpuMask), so that "an idle neighbour" is one load. Larger clusters
//! of the machine are split.

use alloc::boxed::Box;
use alloc::vec::Vec;

use percpu::{CpuId, CpuSet};

const WORD: usize = 64;
/// The capacity of the fastest CPU.
pub const FULL_CAPACITY: u16 = 1024;
/// Distances as firmware tables give them: a node to itself, and to another when none is told.
pub const LOCAL_DISTANCE: u8 = 10;
pub const REMOTE_DISTANCE: u8 = 20;

/// The machine's CPUs, in clusters of near neighbours. All vectors but the last go by CPU.
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
}

impl Topology {
    /// `cpus` equal CPUs, `per_cluster` neighbours each, on one node.
    pub fn uniform(cpus: usize, per_cluster: usize) -> Self {
        Self {
            cluster: (0..cpus).map(|cpu| (cpu / per_cluster) as u16).collect(),
            capacity: (0..cpus).map(|_| FULL_CAPACITY).collect(),
            node: (0..cpus).map(|_| 0).collect(),
            distance: Vec::new(),
        }
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

/// Where each CPU sits.
pub(crate) struct Map {
    place: Box<[Place]>,
    clusters: Box<[Cluster]>,
    /// Slowest clusters first, then by number: how low power fills them.
    low_first: Box<[usize]>,
    /// Fastest clusters first.
    fast_first: Box<[usize]>,
    is_asymmetric: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub cluster: usize,
    pub bit: u32,
}

struct Cluster {
    name: u16,
    node: u16,
    capacity: u16,
    members: Vec<CpuId>,
    /// All clusters, this one first, then by distance; equals onwards in a ring, so that
    /// neighbours spread differently.
    nearest: Box<[usize]>,
    /// So many of those are on the same node.
    on_node: usize,
}

impl Map {
    pub fn new(topology: &Topology) -> Self {
        let mut clusters: Vec<Cluster> = Vec::new();
        let cpus = 0..topology.cpu_count();
        let place = cpus.map(|cpu| join(&mut clusters, topology, cpu)).collect();
        let order: Vec<_> = (0..clusters.len())
            .map(|from| nearest(&clusters, topology, from))
            .collect();
        let nodes: Vec<_> = clusters.iter().map(|cluster| cluster.node).collect();
        for (cluster, nearest) in clusters.iter_mut().zip(order) {
            let same_node = |other: &&usize| nodes[**other] == cluster.node;
            cluster.on_node = nearest.iter().filter(same_node).count();
            cluster.nearest = nearest;
        }
        let capacity = |cluster: &usize| clusters[*cluster].capacity;
        let mut low_first: Vec<usize> = (0..clusters.len()).collect();
        low_first.sort_by_key(capacity);
        let mut fast_first = low_first.clone();
        fast_first.sort_by_key(|cluster| core::cmp::Reverse(capacity(cluster)));
        let is_asymmetric = low_first.first().map(capacity) != fast_first.first().map(capacity);
        Self {
            place,
            clusters: clusters.into(),
            low_first: low_first.into(),
            fast_first: fast_first.into(),
            is_asymmetric,
        }
    }

    pub fn cpu_count(&self) -> usize {
        self.place.len()
    }

    pub fn cluster_count(&self) -> usize {
        self.clusters.len()
    }

    pub fn place(&self, cpu: CpuId) -> Place {
        self.place[cpu.index()]
    }

    /// Whether some CPUs are slower than others.
    pub fn is_asymmetric(&self) -> bool {
        self.is_asymmetric
    }

    pub fn capacity(&self, cluster: usize) -> u16 {
        self.clusters[cluster].capacity
    }

    /// The capacity of one CPU.
    pub fn capacity_of(&self, cpu: CpuId) -> u16 {
        self.capacity(self.place(cpu).cluster)
    }

    /// Whether `cluster` is on another memory node than `cpu`.
    pub fn is_remote(&self, cpu: CpuId, cluster: usize) -> bool {
        self.clusters[self.place(cpu).cluster].node != self.clusters[cluster].node
    }

    /// All clusters, that of `from` first, then the nearest.
    pub fn clusters_from(&self, from: CpuId) -> impl Iterator<Item = usize> + use<'_> {
        let first = &self.clusters[self.place(from).cluster];
        first.nearest.iter().copied()
    }

    /// The same, but the other clusters of the node begin at number `turn` of them.
    pub fn clusters_in_turn(
        &self,
        from: CpuId,
        turn: usize,
    ) -> impl Iterator<Item = usize> + use<'_> {
        let first = &self.clusters[self.place(from).cluster];
        let (node, far) = first.nearest.split_at(first.on_node);
        let (own, others) = node.split_at(1);
        let (later, sooner) = others.split_at(turn % others.len().max(1));
        let order = own.iter().chain(sooner).chain(later).chain(far);
        order.copied()
    }

    /// All clusters, the slowest first.
    pub fn low_first(&self) -> &[usize] {
        &self.low_first
    }

    /// All clusters, the fastest first.
    pub fn fast_first(&self) -> &[usize] {
        &self.fast_first
    }

    /// All clusters in the order of [`clusters_from`](Self::clusters_from).
    pub fn nearest(&self, from: CpuId) -> &[usize] {
        &self.clusters[self.place(from).cluster].nearest
    }

    /// The CPUs of the bits of `word`, starting above `from` and going round.
    pub fn members(
        &self,
        cluster: usize,
        word: u64,
        from: CpuId,
    ) -> impl Iterator<Item = CpuId> + use<'_> {
        let start = self.place(from).bit + 1;
        let mut left = word.rotate_right(start % 64);
        let members = &self.clusters[cluster].members;
        core::iter::from_fn(move || {
            let step = (left != 0).then(|| left.trailing_zeros())?;
            left &= left - 1;
            Some(members[((step + start) % 64) as usize])
        })
    }

    /// The part of `set` that lies in `cluster`, in the cluster's bit order.
    pub fn word_of(&self, cluster: usize, set: &CpuSet) -> u64 {
        let bits = self.clusters[cluster].members.iter().enumerate();
        bits.fold(0, |word, (bit, &cpu)| {
            word | u64::from(set.contains(cpu)) << bit
        })
    }
}

/// Finds room for `cpu` among its like.
fn join(clusters: &mut Vec<Cluster>, topology: &Topology, cpu: usize) -> Place {
    let fresh = Cluster {
        name: topology.cluster[cpu],
        node: topology.node[cpu],
        capacity: topology.capacity[cpu],
        members: Vec::new(),
        nearest: Box::default(),
        on_node: 0,
    };
    let room = |other: &Cluster| {
        (other.name, other.node, other.capacity) == (fresh.name, fresh.node, fresh.capacity)
            && other.members.len() < WORD
    };
    let cluster = clusters.iter().position(room).unwrap_or_else(|| {
        clusters.push(fresh);
        clusters.len() - 1
    });
    let members = &mut clusters[cluster].members;
    members.push(CpuId::new(cpu));
    let bit = members.len() as u32 - 1;
    Place { cluster, bit }
}

/// Parts of the same cluster, the same node, the nearer nodes.
fn nearest(clusters: &[Cluster], topology: &Topology, from: usize) -> Box<[usize]> {
    let count = clusters.len();
    let own = &clusters[from];
    let distance = |cluster: &usize| {
        let other = &clusters[*cluster];
        let apart = topology.distance(own.node, other.node);
        (apart, other.name != own.name)
    };
    let mut order: Vec<usize> = (0..count).map(|step| (from + step) % count).collect();
    order.sort_by_key(distance);
    order.into()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::cpu_mask::CpuMask;

    #[test]
    fn clusters_are_rings_with_the_own_one_first() {
        let map = Map::new(&Topology::uniform(10, 4));
        let ring: Vec<_> = map.clusters_from(CpuId::new(5)).collect();
        assert_eq!(ring, [1, 2, 0]);
        let near: Vec<_> = map.members(1, 0b1111, CpuId::new(5)).collect();
        assert_eq!(near, [6, 7, 4, 5].map(CpuId::new));
    }

    #[test]
    fn in_turn_every_cluster_of_the_node_is_second_once() {
        let distance = [[10, 20], [20, 10]].map(Vec::from).to_vec();
        let topology = Topology::uniform(10, 2).with_nodes(|cpu| (cpu / 8) as u16, distance);
        let map = Map::new(&topology);
        let turn = |turn| {
            map.clusters_in_turn(CpuId::new(3), turn)
                .collect::<Vec<_>>()
        };
        assert_eq!(turn(0), [1, 2, 3, 0, 4]);
        assert_eq!(turn(1), [1, 3, 0, 2, 4]);
        assert_eq!(turn(5), [1, 0, 2, 3, 4]);
        let alone: Vec<_> = map.clusters_in_turn(CpuId::new(9), 7).collect();
        assert_eq!((alone[0], alone.len()), (4, 5));
    }

    #[test]
    fn nearer_nodes_come_first_and_slower_clusters_are_known() {
        let rows = [[10, 40, 20], [40, 10, 30], [20, 30, 10]];
        let distance = rows.map(Vec::from).to_vec();
        let topology = Topology::uniform(12, 2)
            .with_nodes(|cpu| (cpu / 4) as u16, distance)
            .with_capacity(|cpu| if cpu % 4 < 2 { 1024 } else { 300 });
        let map = Map::new(&topology);
        assert!(map.is_asymmetric());
        assert_eq!(map.nearest(CpuId::new(0)), [0, 1, 4, 5, 2, 3]);
        assert_eq!(map.nearest(CpuId::new(7)), [3, 2, 4, 5, 0, 1]);
        assert_eq!(map.low_first(), [1, 3, 5, 0, 2, 4]);
        assert_eq!(map.fast_first(), [0, 2, 4, 1, 3, 5]);
        assert!(map.is_remote(CpuId::new(0), 4) && !map.is_remote(CpuId::new(0), 1));
    }

    #[test]
    fn a_cluster_of_unequal_cpus_is_two() {
        let big = |cpu| if cpu == 0 { 1024 } else { 500 };
        let map = Map::new(&Topology::uniform(4, 4).with_capacity(big));
        assert_eq!(map.cluster_count(), 2);
        assert_eq!(map.capacity_of(CpuId::new(3)), 500);
    }

    #[test]
    fn large_clusters_are_split_into_words() {
        let map = Map::new(&Topology::uniform(130, 130));
        assert_eq!(map.cluster_count(), 3);
        let mask = CpuMask::new(&map);
        mask.insert(&map, CpuId::new(129));
        assert!(mask.contains(&map, CpuId::new(129)) && !mask.contains(&map, CpuId::new(1)));
        assert!(mask.remove(&map, CpuId::new(129)) && !mask.remove(&map, CpuId::new(129)));
    }
}
