//! Which CPUs the caller may run on, and staying on one of them.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The caller, where a thread is named.
pub const SELF: Pid = Pid::from_raw(0);

pub fn allowed() -> Result<Vec<usize>, Errno> {
    let set = sched_getaffinity(SELF)?;
    Ok((0..CpuSet::count())
        .filter(|&cpu| set.is_set(cpu).unwrap_or(false))
        .collect())
}

pub fn only(cpu: usize) -> Result<CpuSet, Errno> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(set)
}

pub fn stay_on(cpu: usize) -> Result<(), Errno> {
    sched_setaffinity(SELF, &only(cpu)?)
}
