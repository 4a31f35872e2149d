//! Sets of processors: affinities, masks of idle or online CPUs.

use crate::{CpuId, MAX_CPUS};
use core::fmt;
use core::ops::{BitAnd, BitOr, Not, Sub};

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
        let above = Iter {
            words: self.words,
            word: 0,
        }
        .skip_to(cpu.index() + 1)
        .next();
        above.or_else(|| self.first())
    }

    /// Members in ascending order.
    pub fn iter(&self) -> Iter {
        Iter {
            words: self.words,
            word: 0,
        }
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

    /// Reads a list as in cpuset(7): `0-2,5`, `0-31:2`, nothing for the empty set.
    pub fn parse_list(text: &str) -> Result<CpuSet, ParseError> {
        let mut set = CpuSet::EMPTY;
        for part in text
            .trim()
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (range, step) = match part.split_once(':') {
                Some((range, step)) => (range, parse_number(step)?),
                None => (part, 1),
            };
            let (first, last) = match range.split_once('-') {
                Some((first, last)) => (parse_number(first)?, parse_number(last)?),
                None => (parse_number(range)?, parse_number(range)?),
            };
            if first > last || step == 0 {
                return Err(ParseError::BadRange);
            }
            CpuId::checked(last).ok_or(ParseError::OutOfRange)?;
            (first..=last)
                .step_by(step)
                .for_each(|index| set.insert(CpuId::new(index)));
        }
        Ok(set)
    }

    /// Reads a hexadecimal mask, as taskset(1) and procfs write it: `f`, `0xff`, `1,00000000`.
    pub fn parse_mask(text: &str) -> Result<CpuSet, ParseError> {
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        let mut set = CpuSet::EMPTY;
        let mut bit = 0;
        for character in digits.chars().rev().filter(|&character| character != ',') {
            let digit = character.to_digit(16).ok_or(ParseError::BadNumber)?;
            if digit != 0 && bit + 4 > MAX_CPUS {
                return Err(ParseError::OutOfRange);
            }
            if digit != 0 {
                set.words[bit / WORD_BITS] |= u64::from(digit) << (bit % WORD_BITS);
            }
            bit += 4;
        }
        if bit == 0 {
            Err(ParseError::BadNumber)
        } else {
            Ok(set)
        }
    }
}

fn parse_number(text: &str) -> Result<usize, ParseError> {
    text.trim().parse().map_err(|_| ParseError::BadNumber)
}

/// Why a text is not a set of CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    BadNumber,
    BadRange,
    OutOfRange,
}

/// See [`CpuSet::iter`].
#[derive(Clone)]
pub struct Iter {
    words: [u64; WORDS],
    word: usize,
}

impl Iter {
    fn skip_to(mut self, index: usize) -> Iter {
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

impl Default for CpuSet {
    fn default() -> CpuSet {
        CpuSet::EMPTY
    }
}

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

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut members = self.iter().map(CpuId::index).peekable();
        let mut separator = "";
        while let Some(first) = members.next() {
            let mut last = first;
            while members.next_if_eq(&(last + 1)).is_some() {
                last += 1;
            }
            write!(f, "{separator}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

impl fmt::LowerHex for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |index: usize| (self.words[index / 2] >> (index % 2 * 32)) as u32;
        let top = self.last().map_or(0, |cpu| cpu.index() / 32);
        write!(f, "{:x}", group(top))?;
        (0..top)
            .rev()
            .try_for_each(|index| write!(f, ",{:08x}", group(index)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::ToString;

    fn list(text: &str) -> CpuSet {
        CpuSet::parse_list(text).unwrap()
    }

    #[test]
    fn lists_round_trip() {
        for text in ["", "0", "0-2,5", "63-64", "1,3,5,1023", "0-1023"] {
            assert_eq!(list(text).to_string(), text);
        }
        assert_eq!(list(" 4 , 0-6:2\n").to_string(), "0,2,4,6");
    }

    #[test]
    fn bad_lists_are_named() {
        assert_eq!(CpuSet::parse_list("a"), Err(ParseError::BadNumber));
        assert_eq!(CpuSet::parse_list("3-1"), Err(ParseError::BadRange));
        assert_eq!(CpuSet::parse_list("0-4:0"), Err(ParseError::BadRange));
        assert_eq!(CpuSet::parse_list("1024"), Err(ParseError::OutOfRange));
    }

    #[test]
    fn masks_round_trip() {
        for text in ["0", "f", "ff,ffffffff", "1,00000000,00000001"] {
            assert_eq!(format!("{:x}", CpuSet::parse_mask(text).unwrap()), text);
        }
        assert_eq!(CpuSet::parse_mask("0xA").unwrap(), list("1,3"));
        assert_eq!(CpuSet::parse_mask(""), Err(ParseError::BadNumber));
        let too_long = format!("1{}", "0".repeat(MAX_CPUS / 4));
        assert_eq!(CpuSet::parse_mask(&too_long), Err(ParseError::OutOfRange));
        let zeros = "0".repeat(MAX_CPUS);
        assert_eq!(CpuSet::parse_mask(&zeros), Ok(CpuSet::EMPTY));
    }

    #[test]
    fn bytes_are_cpu_set_t() {
        let set = list("0,9,1023");
        let bytes = set.to_bytes();
        assert_eq!((bytes[0], bytes[1], bytes[127]), (1, 2, 0x80));
        let read = |length: usize| {
            let mut set = CpuSet::EMPTY;
            set.as_mut_bytes()[..length].copy_from_slice(&bytes[..length]);
            set
        };
        assert_eq!((read(128), read(2)), (set, list("0,9")));
    }

    #[test]
    fn algebra() {
        let (low, odd) = (CpuSet::first_n(70), list("1,3,65,71"));
        assert_eq!(low & odd, list("1,3,65"));
        assert_eq!(odd - low, list("71"));
        assert_eq!((low | odd).count(), 71);
        assert!((low & odd).is_subset(&low) && !odd.is_subset(&low));
        assert!(low.intersects(&odd) && !(odd - low).intersects(&low));
        assert_eq!(!CpuSet::ALL, CpuSet::EMPTY);
    }

    #[test]
    fn round_robin_goes_round() {
        let set = list("2,63,64,1023");
        let mut cpu = CpuId::new(2);
        let visited = [(); 4].map(|()| {
            cpu = set.next_after(cpu).unwrap();
            cpu.index()
        });
        assert_eq!(visited, [63, 64, 1023, 2]);
        assert_eq!(set.last().unwrap().index(), 1023);
        assert_eq!(CpuSet::EMPTY.next_after(cpu), None);
    }
}
