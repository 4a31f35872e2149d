//! Sets of processors: affinities, masks of idle or online CPUs.

mod iter;
mod operators;
#[cfg(test)]
mod tests;
mod text;

pub use iter::Iter;
pub use text::ParseError;

use crate::{CpuId, MAX_CPUS};

const WORD_BITS: usize = u64::BITS as usize;
const WORDS: usize = MAX_CPUS / WORD_BITS;

/// A set of up to [`MAX_CPUS`] processors. Displays as a list (`0-2,5`), `{:x}` as Linux prints
/// masks in procfs (`ff,ffffffff`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CpuSet {
    words: [u64; WORDS],
}

impl CpuSet {
    pub const EMPTY: CpuSet = CpuSet { words: [0; WORDS] };
    pub const ALL: CpuSet = CpuSet {
        words: [u64::MAX; WORDS],
    };

    pub const fn empty() -> CpuSet {
        CpuSet::EMPTY
    }

    pub const fn all() -> CpuSet {
        CpuSet::ALL
    }

    pub const fn single(cpu: CpuId) -> CpuSet {
        let mut set = CpuSet::EMPTY;
        set.words[cpu.index() / WORD_BITS] = 1 << (cpu.index() % WORD_BITS);
        set
    }

    /// The CPUs numbered below `count`.
    pub fn first_n(count: usize) -> CpuSet {
        (0..count).map(CpuId::new).collect()
    }

    pub fn insert(&mut self, cpu: CpuId) {
        self.words[cpu.index() / WORD_BITS] |= 1 << (cpu.index() % WORD_BITS);
    }

    pub fn remove(&mut self, cpu: CpuId) {
        self.words[cpu.index() / WORD_BITS] &= !(1 << (cpu.index() % WORD_BITS));
    }

    pub fn contains(&self, cpu: CpuId) -> bool {
        self.words[cpu.index() / WORD_BITS] >> (cpu.index() % WORD_BITS) & 1 == 1
    }

    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// How many CPUs are in the set.
    pub fn count(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// The CPUs that are in either set.
    pub fn union(&self, other: &CpuSet) -> CpuSet {
        let words = core::array::from_fn(|n| self.words[n] | other.words[n]);
        CpuSet { words }
    }

    pub fn intersects(&self, other: &CpuSet) -> bool {
        self.words
            .iter()
            .zip(other.words)
            .any(|(&mine, theirs)| mine & theirs != 0)
    }

    pub fn is_subset(&self, other: &CpuSet) -> bool {
        self.words
            .iter()
            .zip(other.words)
            .all(|(&mine, theirs)| mine & !theirs == 0)
    }

    pub fn first(&self) -> Option<CpuId> {
        self.iter().next()
    }

    pub fn last(&self) -> Option<CpuId> {
        let word = self.words.iter().rposition(|&word| word != 0)?;
        let bit = WORD_BITS - 1 - self.words[word].leading_zeros() as usize;
        Some(CpuId::new(word * WORD_BITS + bit))
    }

    /// The first member above `cpu`, or the first of all: round-robin over the set.
    pub fn next_after(&self, cpu: CpuId) -> Option<CpuId> {
        let above = self.iter().skip_to(cpu.index() + 1).next();
        above.or_else(|| self.first())
    }

    /// Members in ascending order.
    pub fn iter(&self) -> Iter {
        Iter::new(self)
    }

    /// The bits, 64 CPUs a word, CPU 0 lowest: the layout of `cpu_set_t`.
    pub fn words(&self) -> &[u64; WORDS] {
        &self.words
    }

    pub const fn from_words(words: [u64; WORDS]) -> CpuSet {
        CpuSet { words }
    }

    /// To be filled with the bytes of a `cpu_set_t`, of any length; CPUs beyond [`MAX_CPUS`] have
    /// no place.
    pub fn as_mut_bytes(&mut self) -> &mut [u8] {
        const { assert!(cfg!(target_endian = "little"), "the bytes in order") };
        let words = self.words.as_mut_ptr();
        // SAFETY: these very words, borrowed as long as the result; any bytes make words.
        unsafe { core::slice::from_raw_parts_mut(words.cast(), MAX_CPUS / 8) }
    }

    /// As the bytes of a `cpu_set_t`.
    pub fn to_bytes(&self) -> [u8; MAX_CPUS / 8] {
        let mut bytes = [0; MAX_CPUS / 8];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

impl Default for CpuSet {
    fn default() -> CpuSet {
        CpuSet::EMPTY
    }
}
