//! A set of CPUs that any CPU may change: who is online, idle, has surplus.
//!
//! A word per cluster. Machines of many clusters have words above them, a bit for each cluster that
//! may have members, so that a search ends soon when there is nobody. Members appear below first;
//! whoever finds a cluster empty clears its bit, looks once more and sets it again if somebody
//! appeared meanwhile; whoever appears checks that the bit is there. Both have a full fence between
//! what they write and what they read, so no bit stays away. Who searches between the clearing and
//! the second look may miss that cluster, and surplus waits until its owner next leaves the
//! scheduler, at its tick at the latest (loom: `an_unlucky_search_is_mended`).

use alloc::boxed::Box;

use percpu::CpuId;

use crate::sync::{AtomicU64, Ordering, fence, mutate};
use crate::topology::{Map, Place};

/// So many clusters are looked at one by one.
const FEW: usize = 4;

/// One bit per CPU.
pub(crate) struct CpuMask {
    clusters: Box<[Word]>,
    /// Empty if there are few clusters.
    above: Box<[Word]>,
}

/// A line of its own: neighbours write it often, others hardly.
#[repr(align(128))]
struct Word(AtomicU64);

fn words(count: usize) -> Box<[Word]> {
    (0..count).map(|_| Word(AtomicU64::new(0))).collect()
}

impl CpuMask {
    pub fn new(map: &Map) -> Self {
        let count = map.cluster_count();
        let above = if count > FEW { count.div_ceil(64) } else { 0 };
        Self {
            clusters: words(count),
            above: words(above),
        }
    }

    fn bit(map: &Map, cpu: CpuId) -> (usize, u64) {
        let Place { cluster, bit } = map.place(cpu);
        (cluster, 1 << bit)
    }

    /// Whether it is worth looking for members in a cluster.
    #[inline]
    pub fn may_have(&self, cluster: usize) -> bool {
        let above = self.above.get(cluster / 64);
        above.is_none_or(|word| word.0.load(Ordering::Acquire) >> (cluster % 64) & 1 != 0)
    }

    /// Cache lines read to ask [`Self::may_have`] of every cluster.
    pub fn lines_above(&self) -> u64 {
        self.above.len() as u64
    }

    /// The members in a cluster that may have some.
    pub fn search(&self, cluster: usize) -> u64 {
        match self.word(cluster) {
            0 if !self.above.is_empty() => self.forget(cluster),
            members => members,
        }
    }

    fn forget(&self, cluster: usize) -> u64 {
        let (above, bit) = (&self.above[cluster / 64].0, 1 << (cluster % 64));
        if above.load(Ordering::Relaxed) & bit == 0 {
            return 0;
        }
        above.fetch_and(!bit, Ordering::AcqRel);
        // Pairs with the fence of `insert`.
        if mutate("forget_fence", true, false) {
            fence(Ordering::SeqCst);
        }
        if mutate("forget_for_good", false, true) {
            return 0;
        }
        let members = self.word(cluster);
        if members != 0 {
            above.fetch_or(bit, Ordering::AcqRel);
        }
        members
    }

    pub fn word(&self, cluster: usize) -> u64 {
        self.clusters[cluster].0.load(Ordering::Acquire)
    }

    pub fn contains(&self, map: &Map, cpu: CpuId) -> bool {
        let (cluster, bit) = Self::bit(map, cpu);
        self.word(cluster) & bit != 0
    }

    /// Adds a CPU; writes only if that changes anything.
    pub fn insert(&self, map: &Map, cpu: CpuId) {
        let (cluster, bit) = Self::bit(map, cpu);
        if self.clusters[cluster].0.load(Ordering::Relaxed) & bit == 0 {
            self.clusters[cluster].0.fetch_or(bit, Ordering::AcqRel);
        }
        if let Some(above) = self.above.get(cluster / 64) {
            let bit = 1 << (cluster % 64);
            // Pairs with the fence of `forget`.
            if mutate("insert_fence", true, false) {
                fence(Ordering::SeqCst);
            }
            if above.0.load(Ordering::Relaxed) & bit == 0 {
                above.0.fetch_or(bit, Ordering::AcqRel);
            }
        }
    }

    /// Removes a CPU; says whether this call did it. Of two that claim an idle CPU one wins.
    pub fn remove(&self, map: &Map, cpu: CpuId) -> bool {
        let (cluster, bit) = Self::bit(map, cpu);
        self.clusters[cluster].0.load(Ordering::Relaxed) & bit != 0
            && self.clusters[cluster].0.fetch_and(!bit, Ordering::AcqRel) & bit != 0
    }

    /// `cpu` has published offers and shows itself: either this sees that a thief hid it, or the
    /// thief sees the offer.
    pub fn show(&self, map: &Map, cpu: CpuId) {
        // Pairs with the fence of `hide`.
        if mutate("show_fence", true, false) {
            fence(Ordering::SeqCst);
        }
        self.insert(map, cpu);
    }

    /// A thief found nothing more on offer at `cpu`, and spares others the way; `has_offers` looks
    /// again.
    pub fn hide(&self, map: &Map, cpu: CpuId, has_offers: impl FnOnce() -> bool) {
        if !self.remove(map, cpu) {
            return;
        }
        // Pairs with the fence of `show`.
        if mutate("hide_fence", true, false) {
            fence(Ordering::SeqCst);
        }
        if mutate("hide_for_good", true, false) && has_offers() {
            self.insert(map, cpu);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::topology::Topology;

    #[test]
    fn an_empty_cluster_is_forgotten_until_somebody_appears() {
        let map = Map::new(&Topology::uniform(1024, 8));
        let mask = CpuMask::new(&map);
        let (far, cluster) = (CpuId::new(1000), 125);
        let candidate = || mask.may_have(cluster);
        assert!(!candidate());
        mask.insert(&map, far);
        assert!(candidate() && mask.search(cluster) == 1);
        assert!(mask.remove(&map, far) && !mask.remove(&map, far));
        assert!(candidate() && mask.search(cluster) == 0);
        assert!(!candidate());
        mask.insert(&map, far);
        assert!(candidate() && mask.lines_above() == 2);
    }

    #[test]
    fn few_clusters_are_always_candidates() {
        let mask = CpuMask::new(&Map::new(&Topology::uniform(8, 4)));
        assert!(mask.may_have(1) && mask.search(1) == 0);
        assert_eq!(mask.lines_above(), 0);
    }
}
