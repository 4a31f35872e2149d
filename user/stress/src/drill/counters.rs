//! What all CPUs counted, from `/proc/weft/cpus`.

use common::records::Record;
use std::fmt;

const KEYS: [&str; 5] = [
    "voluntary",
    "involuntary",
    "steals",
    "migrations",
    "ipis_sent",
];

/// One number for each of `KEYS`, all CPUs together.
pub struct Counters([u64; KEYS.len()]);

impl Counters {
    pub fn now() -> Self {
        let text = std::fs::read_to_string("/proc/weft/cpus").unwrap_or_default();
        let sum = |key| {
            let of = |line| Record::parse(line).number::<u64>(key);
            text.lines().filter_map(of).sum()
        };
        Self(KEYS.map(sum))
    }

    pub fn grown(&self, earlier: &Self) -> Self {
        let mut grown = self.0;
        for (count, before) in grown.iter_mut().zip(earlier.0) {
            *count -= before;
        }
        Self(grown)
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = KEYS.iter().zip(self.0);
        words.try_for_each(|(key, count)| write!(out, "{key}={count} "))
    }
}
