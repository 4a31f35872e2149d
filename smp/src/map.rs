//! Where each CPU sits, as the scheduler searches: groups, and ranges of bits in them.
//!
//! A *cluster* is at most 64 CPUs of one cluster, node and capacity of the machine; larger ones are
//! split. A *group* is whole clusters of one node, at most 64 CPUs, and one word of each
//! [`CpuMask`](crate::cpu_mask::CpuMask), in which a cluster is a range of bits. A search goes
//! through [`Span`]s: the own cluster, the rest of the group, the other groups.

use alloc::boxed::Box;
use alloc::vec::Vec;

use percpu::CpuId;

use crate::topology::Topology;

/// Where each CPU sits.
pub(crate) struct Map {
    place: Box<[Place]>,
    clusters: Box<[Cluster]>,
    groups: Box<[Group]>,
    /// Slowest clusters first, then by number: how they are filled to save power.
    low_first: Box<[Span]>,
    /// Fastest clusters first.
    fast_first: Box<[Span]>,
    is_asymmetric: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    cluster: usize,
    pub group: usize,
    pub bit: u32,
}

/// Some CPUs of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub group: usize,
    pub bits: u64,
    /// Of its slowest CPU.
    pub capacity: u16,
}

struct Cluster {
    span: Span,
    /// So many are filled before it to save power.
    rank: usize,
    /// All CPUs: those of this cluster, the rest of its group, then the other groups by distance;
    /// equals onwards in a ring, so that neighbours spread differently.
    nearest: Box<[Span]>,
    /// So many of those are in its group.
    in_group: usize,
    /// So many are on its node.
    on_node: usize,
}

struct Group {
    node: u16,
    /// By bit.
    members: Vec<CpuId>,
    span: Span,
}

impl Map {
    pub fn new(topology: &Topology) -> Self {
        let mut groups = Vec::new();
        let alike = alike(topology);
        let spans = alike.iter().map(|cpus| join(&mut groups, topology, cpus));
        let spans: Vec<Span> = spans.collect();
        let capacity = |span: &Span| span.capacity;
        let mut low_first = spans.clone();
        low_first.sort_by_key(capacity);
        let mut fast_first = low_first.clone();
        fast_first.sort_by_key(|span| core::cmp::Reverse(span.capacity));
        let clusters = spans.iter().map(|&span| {
            let rank = low_first.iter().position(|low| *low == span);
            Cluster::new(span, rank.unwrap_or(0), &groups, topology)
        });
        let clusters = clusters.collect();
        Self {
            place: places(&spans, &groups, topology.cpu_count()),
            clusters,
            groups: groups.into(),
            is_asymmetric: low_first.first().map(capacity) != fast_first.first().map(capacity),
            low_first: low_first.into(),
            fast_first: fast_first.into(),
        }
    }

    pub fn cpu_count(&self) -> usize {
        self.place.len()
    }

    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    pub fn place(&self, cpu: CpuId) -> Place {
        self.place[cpu.index()]
    }

    fn cluster(&self, cpu: CpuId) -> &Cluster {
        &self.clusters[self.place(cpu).cluster]
    }

    /// Whether some CPUs are slower than others.
    pub fn is_asymmetric(&self) -> bool {
        self.is_asymmetric
    }

    /// The capacity of one CPU.
    pub fn capacity_of(&self, cpu: CpuId) -> u16 {
        self.cluster(cpu).span.capacity
    }

    /// Whether `group` is on another memory node than `cpu`.
    pub fn is_remote(&self, cpu: CpuId, group: usize) -> bool {
        let own = self.place(cpu).group;
        own != group && self.groups[own].node != self.groups[group].node
    }

    /// All CPUs, the cluster of `from` first, then the rest of its group, then the nearest.
    pub fn nearest(&self, from: CpuId) -> &[Span] {
        &self.cluster(from).nearest
    }

    /// The same in whole groups, but those of the node besides the own one begin at number `turn`.
    pub fn groups_in_turn(&self, from: CpuId, turn: usize) -> impl Iterator<Item = &Span> {
        let own = self.cluster(from);
        let group = &self.groups[own.span.group].span;
        let (node, far) = own.nearest.split_at(own.on_node);
        let others = &node[own.in_group..];
        let (later, sooner) = others.split_at(turn % others.len().max(1));
        let others = sooner.iter().chain(later).chain(far);
        core::iter::once(group).chain(others)
    }

    /// All clusters, the slowest first.
    pub fn low_first(&self) -> &[Span] {
        &self.low_first
    }

    /// Of those the ones before the cluster of `cpu`.
    pub fn filled_before(&self, cpu: CpuId) -> &[Span] {
        &self.low_first[..self.cluster(cpu).rank]
    }

    /// All clusters, the fastest first.
    pub fn fast_first(&self) -> &[Span] {
        &self.fast_first
    }

    /// Of those the ones of faster CPUs than `cpu`.
    pub fn faster(&self, cpu: CpuId) -> &[Span] {
        let own = self.capacity_of(cpu);
        let count = self.fast_first.partition_point(|span| span.capacity > own);
        &self.fast_first[..count]
    }

    /// The CPUs of the bits of `word`, `from` first and then round.
    pub fn members(&self, group: usize, word: u64, from: CpuId) -> impl Iterator<Item = CpuId> {
        self.members_in_turn(group, word, self.place(from).bit)
    }

    /// The same, starting with bit `turn`.
    pub fn members_in_turn(
        &self,
        group: usize,
        word: u64,
        turn: u32,
    ) -> impl Iterator<Item = CpuId> {
        let turn = turn % 64;
        let mut left = word.rotate_right(turn);
        let members = &self.groups[group].members;
        core::iter::from_fn(move || {
            let step = (left != 0).then(|| left.trailing_zeros())?;
            left &= left - 1;
            Some(members[((step + turn) % 64) as usize])
        })
    }
}

/// The CPUs, in clusters that fit into a group.
fn alike(topology: &Topology) -> Vec<Vec<usize>> {
    let mut clusters: Vec<Vec<usize>> = Vec::new();
    let kind = |cpu: usize| {
        (
            topology.cluster[cpu],
            topology.node[cpu],
            topology.capacity[cpu],
        )
    };
    for cpu in 0..topology.cpu_count() {
        let has_room =
            |other: &&mut Vec<usize>| kind(other[0]) == kind(cpu) && other.len() < topology.group;
        match clusters.iter_mut().find(has_room) {
            Some(cluster) => cluster.push(cpu),
            None => clusters.push([cpu].into()),
        }
    }
    clusters
}

/// Finds room for the cluster in a group of its node; says where.
fn join(groups: &mut Vec<Group>, topology: &Topology, cpus: &[usize]) -> Span {
    let (node, capacity) = (topology.node[cpus[0]], topology.capacity[cpus[0]]);
    let has_room =
        |group: &Group| group.node == node && group.members.len() + cpus.len() <= topology.group;
    let number = groups.iter().position(has_room).unwrap_or_else(|| {
        let span = Span {
            group: groups.len(),
            bits: 0,
            capacity,
        };
        let members = Vec::new();
        groups.push(Group {
            node,
            members,
            span,
        });
        span.group
    });
    let group = &mut groups[number];
    let bits = (u64::MAX >> (64 - cpus.len())) << group.members.len();
    group
        .members
        .extend(cpus.iter().map(|&cpu| CpuId::new(cpu)));
    group.span.bits |= bits;
    group.span.capacity = group.span.capacity.min(capacity);
    Span {
        group: number,
        bits,
        capacity,
    }
}

fn places(clusters: &[Span], groups: &[Group], cpus: usize) -> Box<[Place]> {
    let nowhere = Place {
        cluster: 0,
        group: 0,
        bit: 0,
    };
    let mut places: Vec<_> = (0..cpus).map(|_| nowhere).collect();
    for (cluster, span) in clusters.iter().enumerate() {
        let group = span.group;
        for bit in (0..64).filter(|bit| span.bits >> bit & 1 == 1) {
            let cpu = groups[group].members[bit as usize];
            places[cpu.index()] = Place {
                cluster,
                group,
                bit,
            };
        }
    }
    places.into()
}

impl Cluster {
    fn new(span: Span, rank: usize, groups: &[Group], topology: &Topology) -> Self {
        let own = &groups[span.group];
        let rest = Span {
            bits: own.span.bits & !span.bits,
            ..own.span
        };
        let mut nearest: Vec<Span> = [span, rest].into();
        nearest.retain(|part| part.bits != 0);
        let in_group = nearest.len();
        let ring = (1..groups.len()).map(|step| &groups[(span.group + step) % groups.len()]);
        let mut others: Vec<&Group> = ring.collect();
        others.sort_by_key(|other| topology.distance(own.node, other.node));
        nearest.extend(others.iter().map(|other| other.span));
        let neighbours = others.iter().filter(|other| other.node == own.node);
        Self {
            span,
            rank,
            nearest: nearest.into(),
            in_group,
            on_node: in_group + neighbours.count(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::cpu_mask::CpuMask;

    fn bits(spans: &[Span]) -> Vec<(usize, u64)> {
        spans.iter().map(|span| (span.group, span.bits)).collect()
    }

    #[test]
    fn the_own_cluster_comes_first_then_the_group_then_the_ring() {
        let map = Map::new(&Topology::uniform(20, 4).with_groups(8));
        let ring = bits(map.nearest(CpuId::new(13)));
        assert_eq!(ring, [(1, 0xf0), (1, 0x0f), (2, 0x0f), (0, 0xff)]);
        let near: Vec<_> = map.members(1, 0xf0, CpuId::new(13)).collect();
        assert_eq!(near, [13, 14, 15, 12].map(CpuId::new));
        let turn: Vec<_> = map.members_in_turn(1, 0b1011, 1).collect();
        assert_eq!(turn, [9, 11, 8].map(CpuId::new));
    }

    #[test]
    fn in_turn_every_group_of_the_node_is_second_once() {
        let distance = [[10, 20], [20, 10]].map(Vec::from).to_vec();
        let topology = Topology::uniform(10, 2)
            .with_nodes(|cpu| (cpu / 8) as u16, distance)
            .with_groups(2);
        let map = Map::new(&topology);
        let turn = |cpu, turn| {
            let spans = map.groups_in_turn(CpuId::new(cpu), turn);
            spans.map(|span| span.group).collect::<Vec<_>>()
        };
        assert_eq!(turn(3, 0), [1, 2, 3, 0, 4]);
        assert_eq!(turn(3, 1), [1, 3, 0, 2, 4]);
        assert_eq!(turn(3, 5), [1, 0, 2, 3, 4]);
        let alone = turn(9, 7);
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
        let (fast, slow) = (0b0011, 0b1100);
        let first = bits(map.nearest(CpuId::new(0)));
        assert_eq!(first, [(0, fast), (0, slow), (2, 15), (1, 15)]);
        let last = bits(map.nearest(CpuId::new(7)));
        assert_eq!(last, [(1, slow), (1, fast), (2, 15), (0, 15)]);
        let all = |bits| [(0, bits), (1, bits), (2, bits)];
        assert_eq!(bits(map.low_first()), [all(slow), all(fast)].concat());
        assert_eq!(bits(map.fast_first()), [all(fast), all(slow)].concat());
        assert!(map.is_remote(CpuId::new(0), 2) && !map.is_remote(CpuId::new(0), 0));
    }

    #[test]
    fn a_cluster_of_unequal_cpus_is_two() {
        let big = |cpu| if cpu == 0 { 1024 } else { 500 };
        let map = Map::new(&Topology::uniform(4, 4).with_capacity(big));
        assert_eq!((map.low_first().len(), map.group_count()), (2, 1));
        assert_eq!(map.capacity_of(CpuId::new(3)), 500);
    }

    #[test]
    fn large_clusters_are_split_and_small_ones_stay_whole() {
        let map = Map::new(&Topology::uniform(130, 130));
        assert_eq!(map.group_count(), 3);
        let [mask] = CpuMask::together(&map);
        mask.insert(&map, CpuId::new(129));
        assert!(mask.contains(&map, CpuId::new(129)) && !mask.contains(&map, CpuId::new(1)));
        assert!(mask.remove(&map, CpuId::new(129)) && !mask.remove(&map, CpuId::new(129)));
        let map = Map::new(&Topology::uniform(72, 12));
        let fifth = CpuId::new(60);
        assert_eq!((map.place(fifth).group, map.place(fifth).bit), (1, 0));
    }
}
