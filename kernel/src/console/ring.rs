//! A byte ring of fixed size: typed characters, the kernel log.

pub struct Ring<const SIZE: usize> {
    bytes: [u8; SIZE],
    /// Bytes ever put and ever taken; the difference is at most `SIZE`.
    put: usize,
    taken: usize,
}

impl<const SIZE: usize> Ring<SIZE> {
    pub const fn new() -> Self {
        Self {
            bytes: [0; SIZE],
            put: 0,
            taken: 0,
        }
    }

    /// Adds a byte; drops it when full.
    #[cfg_attr(
        not(any(test, target_os = "none")),
        expect(dead_code, reason = "only a UART puts")
    )]
    pub fn put(&mut self, byte: u8) {
        if self.put - self.taken < SIZE {
            self.push(byte);
        }
    }

    /// Adds a byte; drops the oldest when full.
    pub fn put_over(&mut self, byte: u8) {
        if self.put - self.taken == SIZE {
            self.taken += 1;
        }
        self.push(byte);
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.put % SIZE] = byte;
        self.put += 1;
    }

    /// Takes the oldest bytes.
    pub fn take(&mut self, into: &mut [u8]) -> usize {
        let count = self.copy(0, into);
        self.taken += count;
        count
    }

    /// Copies from the `from`th oldest byte on, taking none.
    pub fn copy(&self, from: usize, into: &mut [u8]) -> usize {
        let start = self.taken.saturating_add(from);
        let count = self.put.saturating_sub(start).min(into.len());
        for (index, byte) in into[..count].iter_mut().enumerate() {
            *byte = self.bytes[(start + index) % SIZE];
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_rings_drop_one_end_or_the_other() {
        let mut ring = Ring::<4>::new();
        b"abcde".iter().for_each(|byte| ring.put(*byte));
        let mut out = [0; 8];
        assert_eq!(ring.copy(1, &mut out), 3);
        assert_eq!(&out[..3], b"bcd");
        assert_eq!(ring.take(&mut out), 4);
        b"abcdef".iter().for_each(|byte| ring.put_over(*byte));
        assert_eq!(ring.take(&mut out), 4);
        assert_eq!(&out[..4], b"cdef");
    }
}
