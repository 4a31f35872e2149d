//! Memory: not here yet.

pub const CALLS: &super::Calls = &[];
