//! Which thread numbers are in use, and which one is next.

use alloc::collections::TryReserveError;
use alloc::vec::Vec;

use crate::shelf::TID_LIMIT;

/// Numbers handed out when none is asked for start here: 1 is for whoever insists on it.
const FIRST_TID: u32 = 2;

/// Where numbers go round while most below are free, so that the table of threads stays small: 256
/// KiB. Linux has its `pid_max` for that.
const ROUND: u32 = 1 << 15;

pub(crate) struct Numbers {
    /// A bit for each number, as far as any was ever used.
    used: Vec<u64>,
    count: usize,
    next: u32,
}

impl Numbers {
    pub const fn new() -> Self {
        Self {
            used: Vec::new(),
            count: 0,
            next: FIRST_TID,
        }
    }

    /// A number in no use; not the same one soon again, even if it stays free.
    pub fn free(&mut self) -> Option<u32> {
        let roomy = self.count < ROUND as usize / 2;
        let end = if roomy { ROUND } else { TID_LIMIT };
        for _ in FIRST_TID..end {
            let tid = self.next;
            self.next = if tid + 1 >= end { FIRST_TID } else { tid + 1 };
            if !self.is_used(tid) {
                return Some(tid);
            }
        }
        None
    }

    pub fn is_used(&self, tid: u32) -> bool {
        let word = self.used.get(tid as usize / 64);
        word.is_some_and(|word| word & bit(tid) != 0)
    }

    /// Takes a number that is in no use. The error is that of memory.
    pub fn take(&mut self, tid: u32) -> Result<(), TryReserveError> {
        let words = tid as usize / 64 + 1;
        if self.used.len() < words {
            self.used.try_reserve(words - self.used.len())?;
            self.used.resize(words, 0);
        }
        self.used[words - 1] |= bit(tid);
        self.count += 1;
        Ok(())
    }

    /// Gives back one that was taken.
    pub fn give(&mut self, tid: u32) {
        self.used[tid as usize / 64] &= !bit(tid);
        self.count -= 1;
    }

    /// The first number in use from `tid` on.
    pub fn first_used(&self, tid: u32) -> Option<u32> {
        let mut wanted = !(bit(tid) - 1);
        (tid as usize / 64..self.used.len()).find_map(|at| {
            let found = self.used[at] & wanted;
            wanted = u64::MAX;
            (found != 0).then(|| at as u32 * 64 + found.trailing_zeros())
        })
    }
}

fn bit(tid: u32) -> u64 {
    1 << (tid % 64)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "long, and in safe code")]
    fn they_go_round_before_the_table_is_large() {
        let mut numbers = Numbers::new();
        let given: Vec<u32> = (0..100_000).filter_map(|_| numbers.free()).collect();
        assert_eq!(given.len(), 100_000);
        assert!(given.iter().all(|tid| (FIRST_TID..ROUND).contains(tid)));
        let soonest = given.iter().skip(1).position(|tid| *tid == given[0]);
        assert_eq!(soonest, Some((ROUND - FIRST_TID) as usize - 1));
    }

    #[test]
    fn those_in_use_are_passed_over_and_found_in_order() {
        let mut numbers = Numbers::new();
        let taken = [2, 3, 63, 64, 1023, TID_LIMIT - 1];
        taken.iter().for_each(|&tid| numbers.take(tid).unwrap());
        assert_eq!(numbers.free(), Some(4));
        let first = [0, 3, 4, 64, 65, 1024].map(|tid| numbers.first_used(tid));
        assert_eq!(
            first,
            [2, 3, 63, 64, 1023, TID_LIMIT - 1].map(Some),
            "each is the first from there on"
        );
        numbers.give(63);
        assert_eq!(numbers.first_used(4), Some(64));
        assert!(!numbers.is_used(63) && numbers.is_used(64));
        assert_eq!(Numbers::new().first_used(0), None);
    }
}
