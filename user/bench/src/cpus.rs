//! Which CPUs there are, and staying on one of them.

use crate::measure::Trouble;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

const SELF: Pid = Pid::from_raw(0);

/// The CPUs this process may use.
pub fn allowed() -> Result<Vec<usize>, Trouble> {
    Ok(common::cpu_list::members(&sched_getaffinity(SELF)?))
}

/// The first two CPUs, for rows between two of them.
pub fn pair() -> Result<(usize, usize), Trouble> {
    match allowed()?[..] {
        [first, second, ..] => Ok((first, second)),
        _ => Err(Trouble::Unsupported("it needs two CPUs".into())),
    }
}

/// Keeps the calling thread, and the threads and processes it starts, on one CPU.
pub fn pin(cpu: usize) -> Result<(), Trouble> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(SELF, &set)?)
}

/// Pins to the first CPU.
pub fn stay() -> Result<(), Trouble> {
    pin(allowed()?[0])
}

/// Pins two sides: both to one CPU, or to one each.
#[derive(Clone, Copy)]
pub struct Sides {
    pub here: usize,
    pub there: usize,
}

pub fn same() -> Result<Sides, Trouble> {
    let here = allowed()?[0];
    Ok(Sides { here, there: here })
}

pub fn across() -> Result<Sides, Trouble> {
    let (here, there) = pair()?;
    Ok(Sides { here, there })
}
