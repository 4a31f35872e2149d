//! The time that file systems stamp nodes with.

use super::node::Timestamp;

/// Real time now.
pub fn now() -> Timestamp {
    let nanoseconds = crate::time::realtime_ns();
    Timestamp {
        seconds: (nanoseconds / 1_000_000_000) as i64,
        nanoseconds: (nanoseconds % 1_000_000_000) as u32,
    }
}
