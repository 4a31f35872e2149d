//! Names for code addresses, from the table that the image tool appends to the kernel image.
//!
//! ```text
//! "WEFTSYM1", count u32, name bytes u32,
//! count x { address u64, name offset u32, name length u32 } sorted by address, then the names
//! ```
//! Little-endian. Without a table, addresses print bare.

use core::fmt;
use spin::Once;

const MAGIC: &[u8; 8] = b"WEFTSYM1";
const HEADER: usize = 16;
const ENTRY: usize = 16;

static TABLE: Once<Table<'static>> = Once::new();

/// Uses the table at the start of `bytes`, if there is one.
pub fn install(bytes: &'static [u8]) {
    if let Some(table) = Table::parse(bytes) {
        TABLE.call_once(|| table);
    }
}

/// A code address, printed with its function.
pub struct Symbol(pub u64);

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match TABLE.get().and_then(|table| table.find(self.0)) {
            Some((name, offset)) => write!(f, "{:#x} {name}+{offset:#x}", self.0),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

struct Table<'a> {
    entries: &'a [[u8; ENTRY]],
    names: &'a [u8],
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(
        bytes.get(offset..offset + 4)?.try_into().ok()?,
    ))
}

impl<'a> Table<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes.get(..8)? != MAGIC {
            return None;
        }
        let (count, name_bytes) = (word(bytes, 8)? as usize, word(bytes, 12)? as usize);
        let names_start = HEADER + count.checked_mul(ENTRY)?;
        let (entries, _) = bytes.get(HEADER..names_start)?.as_chunks::<ENTRY>();
        Some(Self {
            entries,
            names: bytes.get(names_start..names_start + name_bytes)?,
        })
    }

    fn address(&self, index: usize) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.entries[index];
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// The last function that starts at or below `address`, and how far into it that is.
    fn find(&self, address: u64) -> Option<(&'a str, u64)> {
        let after = self.entries.partition_point(|entry| {
            let [a, b, c, d, e, f, g, h, ..] = *entry;
            u64::from_le_bytes([a, b, c, d, e, f, g, h]) <= address
        });
        let index = after.checked_sub(1)?;
        let entry = &self.entries[index];
        let (offset, length) = (word(entry, 8)? as usize, word(entry, 12)? as usize);
        let name = core::str::from_utf8(self.names.get(offset..offset + length)?).ok()?;
        Some((name, address - self.address(index)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_function_around_an_address() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([2, 0, 0, 0, 6, 0, 0, 0]);
        for (address, offset, length) in [(0x1000u64, 0u32, 3u32), (0x2000, 3, 3)] {
            bytes.extend(address.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
            bytes.extend(length.to_le_bytes());
        }
        bytes.extend(b"onetwo");
        let table = Table::parse(&bytes).unwrap();
        assert_eq!(table.find(0xfff), None);
        assert_eq!(table.find(0x1010), Some(("one", 0x10)));
        assert_eq!(table.find(0x2000), Some(("two", 0)));
        assert!(Table::parse(b"WEFTSYM1").is_none());
    }
}
