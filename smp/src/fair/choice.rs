//! Which of those that wait runs next.

use super::FairQueue;
use crate::held::Held;
use crate::offers::Offers;
use crate::ordered::NOBODY;
use crate::shelf::Shelf;

/// Where the next thread would come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Slot(usize),
    Movable,
    Kept,
}

impl FairQueue {
    /// The earliest deadline among the eligible; `NOBODY` when there is none.
    #[inline(always)]
    fn first(&self) -> (u64, Source) {
        let lines = [self.movable.first(), self.kept.first()];
        self.earliest(lines, |offers| offers.first(self.horizon()))
    }

    /// The least start, asked for when nobody is eligible.
    fn least(&self) -> (u64, Source) {
        let lines = [self.movable.least_later(), self.kept.least_later()];
        self.earliest(lines, Offers::least)
    }

    /// The least start among those that wait for the clock.
    pub(super) fn least_start(&self) -> u64 {
        self.least().0
    }

    /// Of equals the first: offered, movable, kept.
    #[inline(always)]
    fn earliest(
        &self,
        [movable, kept]: [u64; 2],
        offered: impl FnOnce(&Offers) -> Option<(u64, usize)>,
    ) -> (u64, Source) {
        let lines = match kept < movable {
            true => (kept, Source::Kept),
            false => (movable, Source::Movable),
        };
        if !self.has_offers() {
            return lines;
        }
        match offered(&self.offers) {
            Some((offered, slot)) if offered <= lines.0 => (offered, Source::Slot(slot)),
            _ => lines,
        }
    }

    /// The earliest deadline among those that wait and are owed time; later than any if nobody is.
    #[inline(always)]
    pub fn first_deadline(&self) -> u64 {
        self.first().0
    }

    /// Takes the thread to run: the earliest deadline among the eligible, else the least start.
    #[inline(always)]
    pub fn pop(&mut self, shelf: &Shelf) -> Option<Held> {
        loop {
            let (mut key, mut source) = self.first();
            if key == NOBODY {
                (key, source) = self.least();
            }
            if key == NOBODY {
                return None;
            }
            let line = match source {
                Source::Slot(slot) => match self.offers.take(slot, shelf) {
                    Some(thread) => return Some(thread),
                    None => continue, // Claimed meanwhile.
                },
                Source::Movable => &mut self.movable,
                Source::Kept => &mut self.kept,
            };
            let thread = line.take_first();
            return thread.map(|thread| self.taken(thread));
        }
    }
}
