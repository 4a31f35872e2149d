//! The members of a set, in ascending order; sets made of members.

use super::{CpuSet, WORD_BITS, WORDS};
use crate::{CpuId, MAX_CPUS};

/// See [`CpuSet::iter`].
#[derive(Clone)]
pub struct Iter {
    words: [u64; WORDS],
    word: usize,
}

impl Iter {
    pub(super) fn new(set: &CpuSet) -> Iter {
        Iter {
            words: set.words,
            word: 0,
        }
    }

    pub(super) fn skip_to(mut self, index: usize) -> Iter {
        if index >= MAX_CPUS {
            self.word = WORDS;
        } else {
            self.word = index / WORD_BITS;
            self.words[self.word] &= u64::MAX << (index % WORD_BITS);
        }
        self
    }
}

impl Iterator for Iter {
    type Item = CpuId;

    fn next(&mut self) -> Option<CpuId> {
        while self.word < WORDS {
            let bits = &mut self.words[self.word];
            if *bits != 0 {
                let bit = bits.trailing_zeros() as usize;
                *bits &= *bits - 1;
                return Some(CpuId::new(self.word * WORD_BITS + bit));
            }
            self.word += 1;
        }
        None
    }
}

impl FromIterator<CpuId> for CpuSet {
    fn from_iter<I: IntoIterator<Item = CpuId>>(cpus: I) -> CpuSet {
        let mut set = CpuSet::EMPTY;
        cpus.into_iter().for_each(|cpu| set.insert(cpu));
        set
    }
}

impl IntoIterator for &CpuSet {
    type Item = CpuId;
    type IntoIter = Iter;

    fn into_iter(self) -> Iter {
        self.iter()
    }
}
