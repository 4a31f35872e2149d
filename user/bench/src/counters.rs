//! The kernel's own counters of each CPU: `/proc/weft/cpus`, which only Weft has.

use crate::measure::Trouble;
use common::records::Record;

/// Each CPU's line, as it is now.
pub struct Counters(Vec<String>);

impl Counters {
    pub fn now() -> Result<Self, Trouble> {
        match std::fs::read_to_string("/proc/weft/cpus") {
            Ok(text) => Ok(Self(text.lines().map(String::from).collect())),
            Err(_) => Err(Trouble::Unsupported("no /proc/weft/cpus".into())),
        }
    }

    /// A counter of each CPU.
    pub fn each(&self, key: &str) -> Result<Vec<u64>, Trouble> {
        let number = |line: &String| Record::parse(line).number(key);
        let numbers = self.0.iter().map(number).collect::<Option<Vec<_>>>();
        numbers.ok_or(Trouble::Unsupported(format!("no {key} in /proc/weft/cpus")))
    }

    /// How much a counter has grown on each CPU since `earlier`.
    pub fn grown(&self, earlier: &Self, key: &str) -> Result<Vec<f64>, Trouble> {
        let pairs = self.each(key)?.into_iter().zip(earlier.each(key)?);
        Ok(pairs
            .map(|(is, was)| is.saturating_sub(was) as f64)
            .collect())
    }
}
