//! The bytes inside a pipe: a ring that grows by doubling as it is used, up to its capacity.

use crate::error::{Errno, Result};
use crate::user_memory::{Sink, Source};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A first-in, first-out byte buffer.
pub struct Ring {
    /// Empty, or a power of two of at least [`SMALLEST`] bytes and at most `capacity`.
    buffer: Box<[u8]>,
    /// Where the oldest byte is.
    start: usize,
    length: usize,
    /// How far the buffer may grow: a power of two.
    capacity: usize,
}

/// What the first byte allocates.
const SMALLEST: usize = 4096;

impl Ring {
    pub fn new(capacity: usize) -> Self {
        Self {
            buffer: Box::default(),
            start: 0,
            length: 0,
            capacity,
        }
    }

    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub fn room(&self) -> usize {
        self.capacity - self.length
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Changes the capacity, a power of two; `EBUSY` if the content does not fit.
    pub fn set_capacity(&mut self, capacity: usize) -> Result<()> {
        if self.length > capacity {
            return Err(Errno::EBUSY);
        }
        if self.buffer.len() > capacity {
            self.reallocate(capacity)?;
        }
        self.capacity = capacity;
        Ok(())
    }

    /// Empties the ring and gives its memory back.
    pub fn clear(&mut self) {
        *self = Self::new(self.capacity);
    }

    /// Moves as much as `sink` takes. What was moved before a fault counts.
    pub fn read(&mut self, sink: &mut Sink<'_>) -> Result<usize> {
        let mut moved = 0;
        while self.length > 0 && sink.remaining() > 0 {
            let run = self.length.min(self.buffer.len() - self.start);
            let count = match sink.put(&self.buffer[self.start..self.start + run]) {
                Err(error) if moved == 0 => return Err(error),
                Err(_) | Ok(0) => break,
                Ok(count) => count,
            };
            self.consume(count);
            moved += count;
        }
        Ok(moved)
    }

    fn consume(&mut self, count: usize) {
        self.length -= count;
        // An empty ring starts over, so that small messages stay in the same few cache lines.
        let next = (self.start + count) & (self.buffer.len() - 1);
        self.start = if self.length == 0 { 0 } else { next };
    }

    /// Moves as much of `source` as there is room for. What was moved before a fault counts.
    pub fn write(&mut self, source: &mut Source<'_>) -> Result<usize> {
        let wanted = source.remaining().min(self.room());
        self.grow_to(self.length + wanted)?;
        let mut moved = 0;
        while moved < wanted {
            let at = (self.start + self.length) & (self.buffer.len() - 1);
            let run = (wanted - moved).min(self.buffer.len() - at);
            let count = match source.take(&mut self.buffer[at..at + run]) {
                Err(error) if moved == 0 => return Err(error),
                Err(_) | Ok(0) => break,
                Ok(count) => count,
            };
            self.length += count;
            moved += count;
        }
        Ok(moved)
    }

    fn grow_to(&mut self, length: usize) -> Result<()> {
        if length <= self.buffer.len() {
            return Ok(());
        }
        self.reallocate(length.next_power_of_two().max(SMALLEST).min(self.capacity))
    }

    fn reallocate(&mut self, size: usize) -> Result<()> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
        let first = self.length.min(self.buffer.len() - self.start);
        bytes.extend_from_slice(&self.buffer[self.start..self.start + first]);
        bytes.extend_from_slice(&self.buffer[..self.length - first]);
        bytes.resize(size, 0);
        self.buffer = bytes.into_boxed_slice();
        self.start = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(ring: &mut Ring, data: &[u8]) -> usize {
        ring.write(&mut Source::Kernel(data)).unwrap()
    }

    fn read(ring: &mut Ring, count: usize) -> Vec<u8> {
        let mut out = alloc::vec![0; count];
        let moved = ring.read(&mut Sink::Kernel(&mut out)).unwrap();
        out.truncate(moved);
        out
    }

    #[test]
    fn bytes_come_out_in_order_around_the_edge() {
        let mut ring = Ring::new(8192);
        let mut expected = Vec::new();
        let mut seen = Vec::new();
        for round in 0..100u32 {
            let data: Vec<u8> = (0..777).map(|index| (round * 7 + index) as u8).collect();
            expected.extend_from_slice(&data);
            assert_eq!(write(&mut ring, &data), 777);
            seen.extend(read(&mut ring, 700));
            if ring.len() > 6000 {
                seen.extend(read(&mut ring, 6000));
            }
        }
        seen.extend(read(&mut ring, 8192));
        assert!(seen == expected);
    }

    #[test]
    fn a_full_ring_takes_what_fits() {
        let mut ring = Ring::new(4096);
        assert_eq!(write(&mut ring, &[1; 5000]), 4096);
        assert_eq!(write(&mut ring, &[2; 10]), 0);
        assert_eq!(read(&mut ring, 96).len(), 96);
        assert_eq!(write(&mut ring, &[2; 100]), 96);
        let all = read(&mut ring, 9999);
        assert_eq!((all.len(), all[3999], all[4000]), (4096, 1, 2));
    }

    #[test]
    fn capacity_changes_keep_the_content() {
        let mut ring = Ring::new(65536);
        write(&mut ring, &[7; 6000]);
        assert_eq!(ring.set_capacity(4096), Err(Errno::EBUSY));
        read(&mut ring, 3000);
        assert_eq!(ring.set_capacity(4096), Ok(()));
        assert_eq!(ring.room(), 1096);
        assert_eq!(read(&mut ring, 9999), [7; 3000]);
    }
}
