//! Scheduling (sched(7)): the CPUs a thread may use; `sched/nice.rs`: niceness;
//! `sched/policy.rs`: policies and priorities.

mod attributes;
mod nice;
mod policy;

use super::Calls;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::{Capabilities, Current, Resource, Task, current, task_by_tid};
use crate::user_memory::{UserPtr, copy_in, copy_out};
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::general::*;
use smp::CpuSet;

pub const CALLS: &Calls = &[
    (__NR_sched_yield as usize, sched_yield),
    (__NR_sched_setaffinity as usize, sched_setaffinity),
    (__NR_sched_getaffinity as usize, sched_getaffinity),
    (__NR_getcpu as usize, getcpu),
    (__NR_setpriority as usize, nice::setpriority),
    (__NR_getpriority as usize, nice::getpriority),
    (__NR_sched_setscheduler as usize, policy::sched_setscheduler),
    (__NR_sched_getscheduler as usize, policy::sched_getscheduler),
    (__NR_sched_setparam as usize, policy::sched_setparam),
    (__NR_sched_getparam as usize, policy::sched_getparam),
    (__NR_sched_setattr as usize, attributes::sched_setattr),
    (__NR_sched_getattr as usize, attributes::sched_getattr),
    (
        __NR_sched_get_priority_max as usize,
        policy::sched_get_priority_max,
    ),
    (
        __NR_sched_get_priority_min as usize,
        policy::sched_get_priority_min,
    ),
    (
        __NR_sched_rr_get_interval as usize,
        policy::sched_rr_get_interval,
    ),
];

fn sched_yield(_: &mut TrapFrame) -> Result<usize> {
    smp::yield_now();
    Ok(0)
}

/// A thread by tid, the caller for 0.
fn named(tid: usize) -> Result<Arc<Task>> {
    match tid as i32 {
        0 => Ok(current().task().clone()),
        tid if tid < 0 => Err(Errno::EINVAL),
        tid => task_by_tid(tid as u32),
    }
}

/// Whether `task` is the caller's to schedule: one of its user's, or anybody's with `CAP_SYS_NICE`.
fn check_owner(caller: &Current, task: &Task) -> Result<()> {
    if owns(caller, task) || may_do_anything(caller) {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

fn owns(caller: &Current, task: &Task) -> bool {
    let (own, other) = (caller.credentials(), task.credentials());
    own.euid == other.uid || own.euid == other.euid
}

fn may_do_anything(caller: &Current) -> bool {
    caller.credentials().has(Capabilities::SYS_NICE)
}

/// Whether the thread's own limit lets its nice value be as low as `nice` (`RLIMIT_NICE`).
fn limit_allows(task: &Task, nice: i8) -> bool {
    20 - i64::from(nice) <= task.process().rlimit(Resource::Nice).min(40) as i64
}

fn sched_setaffinity(registers: &mut TrapFrame) -> Result<usize> {
    let mut set = CpuSet::EMPTY;
    // Of a longer mask the rest names no CPU.
    let length = registers.argument(1).min(percpu::MAX_CPUS / 8);
    copy_in(registers.argument(2), &mut set.as_mut_bytes()[..length])?;
    // No thread has a negative number: here, unlike elsewhere, that is nothing special.
    let task = named(registers.argument(0)).map_err(|_| Errno::ESRCH)?;
    check_owner(&current(), &task)?;
    let done = task.thread().set_affinity(&set);
    done.map(|()| 0).map_err(|_| Errno::EINVAL)
}

fn sched_getaffinity(registers: &mut TrapFrame) -> Result<usize> {
    let length = registers.argument(1);
    // Enough bytes for every CPU the machine has, in whole words, as Linux returns them.
    let size = cpu_count().div_ceil(64) * 8;
    if length < size || !length.is_multiple_of(8) {
        return Err(Errno::EINVAL);
    }
    let task = named(registers.argument(0)).map_err(|_| Errno::ESRCH)?;
    let allowed = task.thread().affinity();
    let online = smp::online_cpus();
    let mut bytes: Vec<u8> = alloc::vec![0; size];
    for cpu in allowed.iter().filter(|cpu| online.contains(*cpu)) {
        bytes[cpu.index() / 8] |= 1 << (cpu.index() % 8);
    }
    copy_out(registers.argument(2), &bytes)?;
    Ok(size)
}

fn cpu_count() -> usize {
    crate::machine::get().cpus.len()
}

fn getcpu(registers: &mut TrapFrame) -> Result<usize> {
    let cpu = percpu::cpu_id();
    let node = crate::machine::get().place(cpu).node.into();
    let cpu = cpu.index() as u32;
    for (address, value) in [(registers.argument(0), cpu), (registers.argument(1), node)] {
        if let Some(pointer) = UserPtr::<u32>::new(address).optional() {
            pointer.write(value)?;
        }
    }
    Ok(0)
}
