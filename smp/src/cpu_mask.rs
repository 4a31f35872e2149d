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
use alloc::sync::Arc;
use core::array;

use percpu::CpuId;

use crate::sync::{AtomicU64, Ordering, fence, mutate};
use crate::topology::{Map, Place};

/// So many clusters are looked at one by one.
const FEW: usize = 4;
/// Words in a cache line.
const LINE: usize = 16;

/// One bit per CPU.
pub(crate) struct CpuMask {
    words: Arc<Words>,
    /// Which of the masks that share the words.
    index: usize,
}

/// The words of masks that are searched together: those of one cluster share a cache line.
struct Words {
    clusters: Box<[Line]>,
    /// Empty if there are few clusters.
    above: Box<[Line]>,
    masks: usize,
}

/// A cache line: neighbours write it often, others hardly.
#[repr(align(128))]
struct Line([AtomicU64; LINE]);

fn lines(count: usize) -> Box<[Line]> {
    let line = || Line(array::from_fn(|_| AtomicU64::new(0)));
    (0..count).map(|_| line()).collect()
}

impl Words {
    fn new(map: &Map, masks: usize) -> Self {
        let count = map.cluster_count();
        let above = if count > FEW { count.div_ceil(64) } else { 0 };
        Self {
            clusters: lines(count),
            above: lines((above * masks).div_ceil(LINE)),
            masks,
        }
    }
}

impl CpuMask {
    pub fn new(map: &Map) -> Self {
        let [mask] = Self::together(map);
        mask
    }

    /// Masks that are searched together.
    pub fn together<const N: usize>(map: &Map) -> [Self; N] {
        let words = Arc::new(Words::new(map, N));
        array::from_fn(|index| Self {
            words: words.clone(),
            index,
        })
    }

    fn bit(map: &Map, cpu: CpuId) -> (usize, u64) {
        let Place { cluster, bit } = map.place(cpu);
        (cluster, 1 << bit)
    }

    /// The word above of 64 clusters and the bit of one.
    #[inline]
    fn above(&self, cluster: usize) -> Option<(&AtomicU64, u64)> {
        let Words { above, masks, .. } = &*self.words;
        let word = cluster / 64 * masks + self.index;
        let line = above.get(word / LINE)?;
        Some((&line.0[word % LINE], 1 << (cluster % 64)))
    }

    /// Whether it is worth looking for members in a cluster.
    #[inline]
    pub fn may_have(&self, cluster: usize) -> bool {
        let above = self.above(cluster);
        above.is_none_or(|(word, bit)| word.load(Ordering::Acquire) & bit != 0)
    }

    /// Cache lines read to ask [`Self::may_have`] of every cluster, for all masks together.
    pub fn lines_above(&self) -> u64 {
        self.words.above.len() as u64
    }

    /// The members in a cluster that may have some.
    pub fn search(&self, cluster: usize) -> u64 {
        match self.word(cluster) {
            0 => self.forget(cluster),
            members => members,
        }
    }

    fn forget(&self, cluster: usize) -> u64 {
        let Some((above, bit)) = self.above(cluster) else {
            return 0;
        };
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

    #[inline]
    fn members(&self, cluster: usize) -> &AtomicU64 {
        &self.words.clusters[cluster].0[self.index]
    }

    pub fn word(&self, cluster: usize) -> u64 {
        self.members(cluster).load(Ordering::Acquire)
    }

    pub fn contains(&self, map: &Map, cpu: CpuId) -> bool {
        let (cluster, bit) = Self::bit(map, cpu);
        self.word(cluster) & bit != 0
    }

    /// Adds a CPU; writes only if that changes anything.
    pub fn insert(&self, map: &Map, cpu: CpuId) {
        let (cluster, bit) = Self::bit(map, cpu);
        let members = self.members(cluster);
        if members.load(Ordering::Relaxed) & bit == 0 {
            members.fetch_or(bit, Ordering::AcqRel);
        }
        if let Some((above, bit)) = self.above(cluster) {
            // Pairs with the fence of `forget`.
            if mutate("insert_fence", true, false) {
                fence(Ordering::SeqCst);
            }
            if above.load(Ordering::Relaxed) & bit == 0 {
                above.fetch_or(bit, Ordering::AcqRel);
            }
        }
    }

    /// Removes a CPU; says whether this call did it. Of two that claim an idle CPU one wins.
    pub fn remove(&self, map: &Map, cpu: CpuId) -> bool {
        let (cluster, bit) = Self::bit(map, cpu);
        let members = self.members(cluster);
        members.load(Ordering::Relaxed) & bit != 0
            && members.fetch_and(!bit, Ordering::AcqRel) & bit != 0
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
        assert!(candidate() && mask.lines_above() == 1);
    }

    #[test]
    fn few_clusters_are_always_candidates() {
        let mask = CpuMask::new(&Map::new(&Topology::uniform(8, 4)));
        assert!(mask.may_have(1) && mask.search(1) == 0);
        assert_eq!(mask.lines_above(), 0);
    }
}
