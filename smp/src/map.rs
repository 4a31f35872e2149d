//! Where each CPU sits, as the scheduler searches: groups, and ranges of bits in them.
//!
//! A *cluster* is at most 64 CPUs of one cluster, node and capacity of the machine; larger ones are
//! split. A *group* is whole clusters of one node, at most 64 CPUs, and one word of each
//! [`CpuMask`](crate::cpu_mask::CpuMask), in which a cluster is a range of bits. A search goes
//! through [`Span`]s: the own cluster, the rest of the group, the other groups.

mod build;

use alloc::boxed::Box;
use alloc::vec::Vec;

use percpu::CpuId;

use crate::topology::Topology;
use build::{alike, join, places};

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

#[cfg(all(test, not(loom)))]
mod tests;
