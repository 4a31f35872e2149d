//! `&`, `|`, `-` and `!` of sets.

use super::CpuSet;
use core::ops::{BitAnd, BitOr, Not, Sub};

impl BitAnd for CpuSet {
    type Output = CpuSet;
    fn bitand(self, other: CpuSet) -> CpuSet {
        CpuSet {
            words: core::array::from_fn(|word| self.words[word] & other.words[word]),
        }
    }
}

impl BitOr for CpuSet {
    type Output = CpuSet;
    fn bitor(self, other: CpuSet) -> CpuSet {
        CpuSet {
            words: core::array::from_fn(|word| self.words[word] | other.words[word]),
        }
    }
}

impl Sub for CpuSet {
    type Output = CpuSet;
    fn sub(self, other: CpuSet) -> CpuSet {
        CpuSet {
            words: core::array::from_fn(|word| self.words[word] & !other.words[word]),
        }
    }
}

impl Not for CpuSet {
    type Output = CpuSet;
    fn not(self) -> CpuSet {
        CpuSet {
            words: self.words.map(|word| !word),
        }
    }
}
