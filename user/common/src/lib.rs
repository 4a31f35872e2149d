//! What several user programs share.

pub mod cpu_list;
