//! A set of CPUs that any CPU may change: who is online, idle, has surplus.

use alloc::boxed::Box;

use percpu::CpuId;

use crate::sync::{AtomicU64, Ordering};
use crate::topology::{Map, Place};

/// One bit per CPU, a word per cluster.
pub(crate) struct CpuMask(Box<[Word]>);

/// A line of its own: neighbours write it often, others hardly.
#[repr(align(128))]
struct Word(AtomicU64);

impl CpuMask {
    pub fn new(map: &Map) -> Self {
        Self(
            (0..map.cluster_count())
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
