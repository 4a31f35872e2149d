//! What `/dev/schedtrace` gives out: blocks with records of one CPU each.

use trace_format::{Event, RECORD_SIZE, Record};

pub const DEVICE: &str = "/dev/schedtrace";
pub const MAGIC: &[u8; 8] = b"WEFTRING";

/// Records of a CPU, in the order in which it made them.
pub struct Block<'a> {
    pub cpu: u32,
    /// How many before these were overwritten unread.
    pub lost: u64,
    frequency: u64,
    records: &'a [[u8; RECORD_SIZE]],
}

impl Block<'_> {
    /// Nanoseconds and what happened. Kinds that are not known here are of a later version.
    pub fn events(&self) -> impl Iterator<Item = (u64, Event)> {
        let ns = |ticks: u64| u128::from(ticks) * 1_000_000_000 / u128::from(self.frequency.max(1));
        self.records
            .iter()
            .map(Record::from_bytes)
            .filter_map(move |record| Some((ns(record.ticks()) as u64, record.event()?)))
    }
}

/// Blocks: magic 8, cpu 4, count 4, lost 8, ticks per second 8, then `count` records.
pub fn blocks(mut rest: &[u8]) -> Result<Vec<Block<'_>>, String> {
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let (head, after) = rest
            .split_at_checked(RECORD_SIZE)
            .filter(|(head, _)| head.starts_with(MAGIC))
            .ok_or("a damaged block")?;
        let count = number::<4>(&head[12..]);
        let length = count as usize * RECORD_SIZE;
        let (records, after) = after.split_at_checked(length).ok_or("a block cut short")?;
        blocks.push(Block {
            cpu: number::<4>(&head[8..]) as u32,
            lost: number::<8>(&head[16..]),
            frequency: number::<8>(&head[24..]),
            records: records.as_chunks().0,
        });
        rest = after;
    }
    Ok(blocks)
}

/// `SIZE` little-endian bytes.
pub fn number<const SIZE: usize>(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..SIZE].copy_from_slice(&bytes[..SIZE]);
    u64::from_le_bytes(word)
}
