//! Text whose length programs decide: memory for it may run out, so it is made piece by piece.

use crate::error::{Errno, Result};
use alloc::vec::Vec;
use core::fmt;

/// Grows by writing; what there is no memory for is a [`fmt::Error`], which becomes `ENOMEM`.
#[derive(Default)]
pub struct Text(Vec<u8>);

impl Text {
    /// A piece that holds this much is given out before the next one is made.
    const PIECE: usize = 4096;

    pub fn is_full(&self) -> bool {
        self.0.len() >= Self::PIECE
    }

    /// Adds bytes that are not text.
    pub fn push(&mut self, more: &[u8]) -> Result<()> {
        self.0.try_reserve(more.len()).map_err(|_| Errno::ENOMEM)?;
        self.0.extend_from_slice(more);
        Ok(())
    }

    /// Adds what of `all` comes behind `from`, as far as it fits into one piece; the next place.
    pub fn push_part(&mut self, all: &[u8], from: u64) -> Result<Option<u64>> {
        let rest = all.get(from as usize..).unwrap_or_default();
        self.push(&rest[..rest.len().min(Self::PIECE)])?;
        Ok((rest.len() > Self::PIECE).then_some(from + Self::PIECE as u64))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        self.push(more.as_bytes()).map_err(|_| fmt::Error)
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

/// Formatting fails for want of memory only.
impl From<fmt::Error> for Errno {
    fn from(_: fmt::Error) -> Self {
        Errno::ENOMEM
    }
}

/// Writes the piece that begins at a place and says where the next one does; places are the
/// maker's own business, and 0 is the first.
pub type MakePiece = dyn Fn(u64, &mut Text) -> Result<Option<u64>> + Send + Sync;

/// A reader's view: the piece that it is in. Reading again from the beginning makes the text anew.
#[derive(Default)]
pub struct Shown {
    piece: Text,
    /// The piece's offset in the file.
    start: u64,
    /// Where the next piece begins; `None` behind the last one, and before the first is made.
    next: Option<u64>,
}

impl Shown {
    /// The text from `offset` to the end of its piece; nothing at the end of the file.
    pub fn at(&mut self, offset: u64, make: &MakePiece) -> Result<&[u8]> {
        if offset == 0 || offset < self.start || self.piece.is_empty() {
            (self.start, self.next) = (0, Some(0));
            self.piece.clear();
        }
        while let Some(place) = self.next
            && offset >= self.start + self.piece.len() as u64
        {
            self.start += self.piece.len() as u64;
            self.piece.clear();
            // Should making it fail, the next reader begins anew.
            self.next = None;
            self.next = make(place, &mut self.piece)?;
        }
        let bytes = self.piece.bytes();
        let skip = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(bytes.get(skip..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write;

    /// Numbers from `place` on, three to a piece.
    fn numbers(place: u64, text: &mut Text) -> Result<Option<u64>> {
        for number in place..place + 3 {
            write!(text, "{number:03} ")?;
        }
        Ok((place < 9).then_some(place + 3))
    }

    fn read_all(shown: &mut Shown, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let bytes = shown.at(all.len() as u64, &numbers).unwrap();
            if bytes.is_empty() {
                return all;
            }
            all.extend_from_slice(&bytes[..step.min(bytes.len())]);
        }
    }

    #[test]
    fn pieces_join_whatever_is_read_at_once() {
        let expected = b"000 001 002 003 004 005 006 007 008 009 010 011 ";
        let mut shown = Shown::default();
        for step in [1, 5, 12, 100] {
            assert_eq!(read_all(&mut shown, step), expected, "{step}");
        }
    }

    #[test]
    fn any_offset_can_be_read() {
        let mut shown = Shown::default();
        for (offset, expected) in [(40, &b"010"[..]), (13, b"03 "), (4, b"001"), (47, b" ")] {
            assert!(shown.at(offset, &numbers).unwrap().starts_with(expected));
        }
        assert!(shown.at(48, &numbers).unwrap().is_empty());
        assert!(shown.at(u64::MAX, &numbers).unwrap().is_empty());
    }

    #[test]
    fn what_is_there_already_is_shown_in_pieces() {
        let all: Vec<u8> = (0..3 * Text::PIECE / 2).map(|index| index as u8).collect();
        let copy = all.clone();
        let make = move |from, text: &mut Text| text.push_part(&copy, from);
        let mut shown = Shown::default();
        assert_eq!(shown.at(0, &make).unwrap(), &all[..Text::PIECE]);
        assert_eq!(shown.at(5000, &make).unwrap(), &all[5000..]);
        assert!(shown.at(all.len() as u64, &make).unwrap().is_empty());
    }
}
