//! A CPU's last records: its owner writes and never waits, anybody reads.
//!
//! Records are numbered from 0 on; number `n` lies in slot `n % length` until number `n + length`
//! is begun. The owner announces a record (`begun`), writes it, and publishes it (`written`). A
//! reader copies published records and then looks how far the owner has *begun*: what may have
//! been overwritten meanwhile is thrown away and counted, so no torn record is ever returned.
//!
//! The announcement and the words of the record are ordered by a release fence, which pairs with
//! the reader's acquire fence: a reader that saw any word of record `n + length` sees its
//! announcement. `written` is stored with release and loaded with acquire.
//!
//! A ring may continue another one's numbers; a reader finds what is older there.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Record;
use crate::sync::{AtomicU64, Ordering, fence, mutate};

pub struct Ring {
    begun: AtomicU64,
    written: AtomicU64,
    slots: Box<[[AtomicU64; 4]]>,
    /// The number of the first record here, and where those before it are.
    first: u64,
    before: Option<&'static Ring>,
}

/// What one reading brought.
#[derive(Debug, PartialEq, Eq)]
pub struct Read {
    /// The number of the first record that was returned.
    pub first: u64,
    pub records: Vec<Record>,
}

impl Ring {
    /// A ring of `length` records, rounded up to a power of two. Allocates.
    pub fn new(length: usize) -> Self {
        let slot = |_| core::array::from_fn(|_| AtomicU64::new(0));
        Self {
            begun: AtomicU64::new(0),
            written: AtomicU64::new(0),
            slots: (0..length.next_power_of_two()).map(slot).collect(),
            first: 0,
            before: None,
        }
    }

    /// Makes this ring, in which nothing is yet, go on where `before` ends for good.
    pub(super) fn go_on_after(&mut self, before: &'static Ring) {
        self.first = before.written();
        self.begun.store(self.first, Ordering::Relaxed);
        self.written.store(self.first, Ordering::Relaxed);
        self.before = Some(before);
    }

    /// Adds a record. By the owner only, one at a time (IRQs masked).
    #[inline]
    pub fn push(&self, record: Record) {
        let number = self.written.load(Ordering::Relaxed);
        self.begun.store(number + 1, Ordering::Relaxed);
        if mutate("ring_fence", true, false) {
            fence(Ordering::Release);
        }
        let slot = &self.slots[number as usize & (self.slots.len() - 1)];
        for (word, value) in slot.iter().zip(record.0) {
            word.store(value, Ordering::Relaxed);
        }
        let order = mutate("ring_publish_relaxed", Ordering::Release, Ordering::Relaxed);
        self.written.store(number + 1, order);
    }

    /// How many records were ever written.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// At most `most` records, from number `from` on or the oldest that is left.
    pub fn read(&self, from: u64, most: usize) -> Read {
        match self.before {
            Some(before) if from < self.first => before.read(from, most),
            _ => self.read_here(from, most),
        }
    }

    fn read_here(&self, from: u64, most: usize) -> Read {
        let length = self.slots.len() as u64;
        let written = self.written();
        let oldest = written.saturating_sub(length).max(self.first);
        let first = from.max(oldest).min(written);
        let end = written.min(first + most as u64);
        let mut records: Vec<Record> = (first..end).map(|number| self.copy(number)).collect();
        if mutate("ring_reader_fence", true, false) {
            fence(Ordering::Acquire);
        }
        let begun = self.begun.load(Ordering::Relaxed);
        let whole = mutate("ring_unchecked", begun.saturating_sub(length), 0).clamp(first, end);
        records.drain(..(whole - first) as usize);
        Read {
            first: whole,
            records,
        }
    }

    fn copy(&self, number: u64) -> Record {
        let slot = &self.slots[number as usize & (self.slots.len() - 1)];
        Record(core::array::from_fn(|word| {
            slot[word].load(Ordering::Relaxed)
        }))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn record(number: u64) -> Record {
        Record([number; 4])
    }

    #[test]
    fn readers_follow_and_learn_what_they_missed() {
        let ring = Ring::new(4);
        assert_eq!(ring.read(0, 9).records, []);
        (0..3).for_each(|number| ring.push(record(number)));
        let read = ring.read(0, 2);
        assert_eq!((read.first, read.records.len()), (0, 2));
        (3..10).for_each(|number| ring.push(record(number)));
        let read = ring.read(2, 9);
        assert_eq!(read.first, 6, "2 to 5 are gone");
        assert_eq!(read.records, [6, 7, 8, 9].map(record));
        assert_eq!(ring.read(10, 9).records, []);
        assert_eq!(ring.read(99, 9).first, 10, "not beyond what there is");
    }

    #[test]
    fn a_ring_that_goes_on_leads_to_the_one_before() {
        let short: &Ring = Box::leak(Box::new(Ring::new(4)));
        (0..6).for_each(|number| short.push(record(number)));
        let mut long = Ring::new(8);
        long.go_on_after(short);
        assert_eq!(long.read(6, 9).records, []);
        (6..9).for_each(|number| long.push(record(number)));
        let read = long.read(1, 9);
        assert_eq!((read.first, read.records.len()), (2, 4), "0 and 1 are gone");
        assert_eq!(long.read(6, 9).records, [6, 7, 8].map(record));
        (9..20).for_each(|number| long.push(record(number)));
        assert_eq!(long.read(6, 1).first, 12);
    }

    #[test]
    #[cfg_attr(miri, ignore = "long")]
    fn a_reader_beside_the_writer_sees_whole_records_in_order() {
        let ring = Ring::new(64);
        std::thread::scope(|scope| {
            scope.spawn(|| (0..200_000).for_each(|number| ring.push(record(number))));
            let mut next = 0;
            while next < 200_000 {
                let read = ring.read(next, 64);
                for (number, found) in (read.first..).zip(&read.records) {
                    assert_eq!(*found, record(number));
                }
                next = read.first + read.records.len() as u64;
            }
        });
    }
}
