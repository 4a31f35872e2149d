//! A sorted map in chunks: few, large, contiguous pieces, so that lookups are binary searches over
//! plain arrays and neighbours are next to each other. Holds up to tens of thousands of values.
//!
//! A [`Place`] names an element until the next insertion or removal. Memory for insertions is
//! set aside beforehand by [`Sorted::prepare`], the only step that can fail.

use crate::{OutOfMemory, frame};
use alloc::vec::Vec;

/// Elements that a chunk may hold. One that is full is cut in two.
const CAPACITY: usize = 32;

/// Insertions that one `prepare` is good for.
pub const PREPARED: usize = 3;

pub struct Sorted<T> {
    /// In order of their keys; none is empty (but a lone one may be).
    chunks: Vec<Chunk<T>>,
    /// Empty ones for insertions to come.
    spare: Vec<Chunk<T>>,
    length: usize,
}

/// Keys and values with the same index belong together.
struct Chunk<T> {
    keys: Vec<usize>,
    values: Vec<T>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    chunk: usize,
    index: usize,
}

impl<T> Chunk<T> {
    fn new() -> Result<Self, OutOfMemory> {
        if frame::is_out() {
            return Err(OutOfMemory);
        }
        let mut chunk = Self {
            keys: Vec::new(),
            values: Vec::new(),
        };
        chunk
            .keys
            .try_reserve_exact(CAPACITY)
            .map_err(|_| OutOfMemory)?;
        chunk
            .values
            .try_reserve_exact(CAPACITY)
            .map_err(|_| OutOfMemory)?;
        Ok(chunk)
    }
}

impl<T> Sorted<T> {
    pub const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            spare: Vec::new(),
            length: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.length
    }

    /// Sets memory aside for the next [`PREPARED`] insertions.
    pub fn prepare(&mut self) -> Result<(), OutOfMemory> {
        if self.chunks.len() == 1 && self.length + PREPARED <= CAPACITY {
            return Ok(());
        }
        self.chunks.try_reserve(PREPARED).map_err(|_| OutOfMemory)?;
        if self.chunks.is_empty() {
            self.chunks.push(Chunk::new()?);
            return Ok(());
        }
        self.spare.try_reserve(PREPARED).map_err(|_| OutOfMemory)?;
        while self.spare.len() < PREPARED {
            self.spare.push(Chunk::new()?);
        }
        Ok(())
    }

    /// The last element whose key is at most `key`.
    #[inline]
    pub fn floor(&self, key: usize) -> Option<Place> {
        let after = match self.chunks.len() {
            0 => return None,
            1 => 1,
            _ => self.chunks.partition_point(|chunk| chunk.keys[0] <= key),
        };
        let chunk = after.checked_sub(1)?;
        let index = self.chunks[chunk]
            .keys
            .partition_point(|&other| other <= key)
            .checked_sub(1)?;
        Some(Place { chunk, index })
    }

    /// The first element whose key is above `key`.
    #[inline]
    pub fn above(&self, key: usize) -> Option<Place> {
        match self.floor(key) {
            Some(place) => self.next(place),
            None => self.first(),
        }
    }

    pub fn first(&self) -> Option<Place> {
        (self.length > 0).then_some(Place { chunk: 0, index: 0 })
    }

    #[inline]
    pub fn next(&self, place: Place) -> Option<Place> {
        self.settle(Place {
            index: place.index + 1,
            ..place
        })
    }

    /// `place`, or the start of the next chunk if that is one past the end of its own.
    #[inline]
    fn settle(&self, place: Place) -> Option<Place> {
        if place.index < self.chunks.get(place.chunk)?.keys.len() {
            return Some(place);
        }
        (place.chunk + 1 < self.chunks.len()).then_some(Place {
            chunk: place.chunk + 1,
            index: 0,
        })
    }

    #[inline]
    pub fn previous(&self, place: Place) -> Option<Place> {
        if place.index > 0 {
            return Some(Place {
                index: place.index - 1,
                ..place
            });
        }
        let chunk = place.chunk.checked_sub(1)?;
        Some(Place {
            chunk,
            index: self.chunks[chunk].keys.len() - 1,
        })
    }

    #[inline]
    pub fn key(&self, place: Place) -> usize {
        self.chunks[place.chunk].keys[place.index]
    }

    #[inline]
    pub fn value(&self, place: Place) -> &T {
        &self.chunks[place.chunk].values[place.index]
    }

    #[inline]
    pub fn value_mut(&mut self, place: Place) -> &mut T {
        &mut self.chunks[place.chunk].values[place.index]
    }

    /// Changes a key to one that keeps the order.
    pub fn set_key(&mut self, place: Place, key: usize) {
        self.chunks[place.chunk].keys[place.index] = key;
    }

    /// Adds an element whose key is new. Memory has been prepared.
    pub fn insert(&mut self, key: usize, value: T) {
        match self.floor(key) {
            Some(place) => self.insert_after(place, key, value),
            None => self.insert_at(Place { chunk: 0, index: 0 }, key, value),
        };
    }

    /// The same for one whose key comes right after that of `place`. Returns its place.
    pub fn insert_after(&mut self, place: Place, key: usize, value: T) -> Place {
        let next = Place {
            index: place.index + 1,
            ..place
        };
        self.insert_at(next, key, value)
    }

    fn insert_at(&mut self, place: Place, key: usize, value: T) -> Place {
        self.length += 1;
        let place = self.make_room(place);
        let chunk = &mut self.chunks[place.chunk];
        chunk.keys.insert(place.index, key);
        chunk.values.insert(place.index, value);
        place
    }

    /// Where an insertion at `place` goes once its chunk is not full.
    fn make_room(&mut self, place: Place) -> Place {
        if self.chunks[place.chunk].keys.len() < CAPACITY {
            return place;
        }
        let half = CAPACITY / 2;
        let mut upper = self
            .spare
            .pop()
            .expect("an insertion that was not prepared");
        let full = &mut self.chunks[place.chunk];
        upper.keys.extend(full.keys.drain(half..));
        upper.values.extend(full.values.drain(half..));
        self.chunks.insert(place.chunk + 1, upper);
        match place.index <= half {
            true => place,
            false => Place {
                chunk: place.chunk + 1,
                index: place.index - half,
            },
        }
    }

    /// Takes an element out. Returns it, and the place of the one after it.
    pub fn remove(&mut self, place: Place) -> (T, Option<Place>) {
        self.length -= 1;
        let chunk = &mut self.chunks[place.chunk];
        chunk.keys.remove(place.index);
        let value = chunk.values.remove(place.index);
        if chunk.keys.is_empty() && self.chunks.len() > 1 {
            self.chunks.remove(place.chunk);
        }
        (value, self.settle(place).filter(|_| self.length > 0))
    }

    /// The elements from `place` on.
    #[inline]
    pub fn from(&self, place: Option<Place>) -> impl Iterator<Item = (usize, &T)> {
        let mut next = place;
        core::iter::from_fn(move || {
            let place = next?;
            next = self.next(place);
            Some((self.key(place), self.value(place)))
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.from(self.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Every lookup against the standard map, through growth and shrinkage.
    #[test]
    fn agrees_with_the_standard_map() {
        crate::testing::install();
        let rounds = if cfg!(miri) { 300 } else { 20_000 };
        let (mut sorted, mut model) = (Sorted::new(), BTreeMap::new());
        let mut state = 12345u64;
        let mut random = |limit: u64| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            ((state >> 33) % limit) as usize
        };
        for round in 0..rounds {
            let key = random(500) * 2;
            let growing = round / 1_000 % 2 == 0;
            match sorted.floor(key).filter(|&place| sorted.key(place) == key) {
                Some(place) if !growing || random(4) == 0 => {
                    let (value, next) = sorted.remove(place);
                    assert_eq!(Some(value), model.remove(&key));
                    let expected = model.range(key..).next().map(|(&key, _)| key);
                    assert_eq!(next.map(|place| sorted.key(place)), expected);
                }
                None if growing || random(4) == 0 => {
                    sorted.prepare().unwrap();
                    sorted.insert(key, round);
                    model.insert(key, round);
                }
                _ => {}
            }
            let probe = random(1_001);
            let floor = sorted
                .floor(probe)
                .map(|place| (sorted.key(place), *sorted.value(place)));
            assert_eq!(
                floor,
                model
                    .range(..=probe)
                    .next_back()
                    .map(|(&key, &value)| (key, value))
            );
            let above = sorted.above(probe).map(|place| sorted.key(place));
            assert_eq!(above, model.range(probe + 1..).next().map(|(&key, _)| key));
            let before = sorted.above(probe).and_then(|place| sorted.previous(place));
            if above.is_some() {
                assert_eq!(
                    before.map(|place| sorted.key(place)),
                    floor.map(|(key, _)| key)
                );
            }
            assert_eq!(sorted.len(), model.len());
        }
        assert!(
            sorted
                .iter()
                .map(|(key, &value)| (key, value))
                .eq(model.into_iter())
        );
    }
}
