//! CPU masks by cluster: who is idle, who has surplus.
//!
//! A cluster is at most 64 near neighbours and one word of each mask, so that "an idle neighbour"
//! is one load. Larger clusters of the machine are split.

use alloc::boxed::Box;
use alloc::vec::Vec;

use percpu::{CpuId, CpuSet};

use crate::platform::Topology;
use crate::sync::{AtomicU64, Ordering};

const WORD: usize = 64;

/// Where each CPU sits.
pub(crate) struct Map {
    place: Box<[Place]>,
    clusters: Box<[Vec<CpuId>]>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub cluster: usize,
    bit: u32,
}

impl Map {
    pub fn new(topology: &Topology) -> Self {
        let mut clusters: Vec<(u16, Vec<CpuId>)> = Vec::new();
        let place = topology.cluster.iter().enumerate().map(|(cpu, &name)| {
            let room =
                |(other, members): &(u16, Vec<CpuId>)| *other == name && members.len() < WORD;
            let cluster = clusters.iter().position(room).unwrap_or_else(|| {
                clusters.push((name, Vec::new()));
                clusters.len() - 1
            });
            let members = &mut clusters[cluster].1;
            members.push(CpuId::new(cpu));
            Place {
                cluster,
                bit: members.len() as u32 - 1,
            }
        });
        let place = place.collect();
        Self {
            place,
            clusters: clusters.into_iter().map(|(_, members)| members).collect(),
        }
    }

    pub fn cpu_count(&self) -> usize {
        self.place.len()
    }

    pub fn place(&self, cpu: CpuId) -> Place {
        self.place[cpu.index()]
    }

    /// All clusters, that of `from` first, then onwards in a ring: neighbours spread differently.
    pub fn clusters_from(&self, from: CpuId) -> impl Iterator<Item = usize> + use<'_> {
        let (first, count) = (self.place(from).cluster, self.clusters.len());
        (0..count).map(move |step| (first + step) % count)
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
        let members = &self.clusters[cluster];
        core::iter::from_fn(move || {
            let step = (left != 0).then(|| left.trailing_zeros())?;
            left &= left - 1;
            Some(members[((step + start) % 64) as usize])
        })
    }

    /// The part of `set` that lies in `cluster`, in the cluster's bit order.
    pub fn word_of(&self, cluster: usize, set: &CpuSet) -> u64 {
        let bits = self.clusters[cluster].iter().enumerate();
        bits.fold(0, |word, (bit, &cpu)| {
            word | u64::from(set.contains(cpu)) << bit
        })
    }
}

/// One bit per CPU, a word per cluster.
pub(crate) struct CpuMask(Box<[Word]>);

/// A line of its own: neighbours write it often, others hardly.
#[repr(align(128))]
struct Word(AtomicU64);

impl CpuMask {
    pub fn new(map: &Map) -> Self {
        Self(
            map.clusters
                .iter()
                .map(|_| Word(AtomicU64::new(0)))
                .collect(),
        )
    }

    fn bit(map: &Map, cpu: CpuId) -> (usize, u64) {
        let Place { cluster, bit } = map.place(cpu);
        (cluster, 1 << bit)
    }

    pub fn word(&self, cluster: usize) -> u64 {
        self.0[cluster].0.load(Ordering::Acquire)
    }

    pub fn contains(&self, map: &Map, cpu: CpuId) -> bool {
        let (cluster, bit) = Self::bit(map, cpu);
        self.word(cluster) & bit != 0
    }

    /// Sets the bit; writes only if that changes anything.
    pub fn insert(&self, map: &Map, cpu: CpuId) {
        let (cluster, bit) = Self::bit(map, cpu);
        if self.0[cluster].0.load(Ordering::Relaxed) & bit == 0 {
            self.0[cluster].0.fetch_or(bit, Ordering::AcqRel);
        }
    }

    /// Clears the bit; says whether this call did it. Of two that claim an idle CPU one wins.
    pub fn remove(&self, map: &Map, cpu: CpuId) -> bool {
        let (cluster, bit) = Self::bit(map, cpu);
        self.0[cluster].0.load(Ordering::Relaxed) & bit != 0
            && self.0[cluster].0.fetch_and(!bit, Ordering::AcqRel) & bit != 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_rings_with_the_own_one_first() {
        let map = Map::new(&Topology::uniform(10, 4));
        let ring: Vec<_> = map.clusters_from(CpuId::new(5)).collect();
        assert_eq!(ring, [1, 2, 0]);
        let near: Vec<_> = map.members(1, 0b1111, CpuId::new(5)).collect();
        assert_eq!(near, [6, 7, 4, 5].map(CpuId::new));
    }

    #[test]
    fn large_clusters_are_split_into_words() {
        let map = Map::new(&Topology::uniform(130, 130));
        assert_eq!(map.clusters.len(), 3);
        let mask = CpuMask::new(&map);
        mask.insert(&map, CpuId::new(129));
        assert!(mask.contains(&map, CpuId::new(129)) && !mask.contains(&map, CpuId::new(1)));
        assert!(mask.remove(&map, CpuId::new(129)) && !mask.remove(&map, CpuId::new(129)));
    }
}
