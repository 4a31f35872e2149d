//! What several user programs share: the CPUs and threads as the kernel reports them, sets of
//! CPUs as people write them, clocks, and the way programs read arguments and end.

pub mod arguments;
pub mod clock;
pub mod cpu_list;
pub mod cpus;
pub mod json;
pub mod records;
pub mod threads;
pub mod trace;
