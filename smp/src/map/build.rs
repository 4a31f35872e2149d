//! Making the map of a machine: its clusters, and the groups they are put into.

use super::{Cluster, Group, Place, Span};
use crate::topology::Topology;
use alloc::boxed::Box;
use alloc::vec::Vec;
use percpu::CpuId;

/// The CPUs, in clusters that fit into a group.
pub(super) fn alike(topology: &Topology) -> Vec<Vec<usize>> {
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
pub(super) fn join(groups: &mut Vec<Group>, topology: &Topology, cpus: &[usize]) -> Span {
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

pub(super) fn places(clusters: &[Span], groups: &[Group], cpus: usize) -> Box<[Place]> {
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
    pub fn new(span: Span, rank: usize, groups: &[Group], topology: &Topology) -> Self {
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
