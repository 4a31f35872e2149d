//! Scheduling: CPUs a thread may use, niceness, policies (sched(7)).

use super::Calls;
use super::time::TimeSpec;
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::{
    Capabilities, Current, Process, Resource, Task, current, processes, table, task_by_tid,
};
use crate::user_memory::{UserPtr, copy_in, copy_out};
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::general::*;
use smp::{CpuSet, Policy};

pub const CALLS: &Calls = &[
    (__NR_sched_yield as usize, sched_yield),
    (__NR_sched_setaffinity as usize, sched_setaffinity),
    (__NR_sched_getaffinity as usize, sched_getaffinity),
    (__NR_getcpu as usize, getcpu),
    (__NR_setpriority as usize, setpriority),
    (__NR_getpriority as usize, getpriority),
    (__NR_sched_setscheduler as usize, sched_setscheduler),
    (__NR_sched_getscheduler as usize, sched_getscheduler),
    (__NR_sched_setparam as usize, sched_setparam),
    (__NR_sched_getparam as usize, sched_getparam),
    (__NR_sched_get_priority_max as usize, |registers| {
        priority_range(registers).map(|(_, max)| max)
    }),
    (__NR_sched_get_priority_min as usize, |registers| {
        priority_range(registers).map(|(min, _)| min)
    }),
    (__NR_sched_rr_get_interval as usize, sched_rr_get_interval),
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

/// Whether the caller may change how `task` is scheduled.
fn check_owner(caller: &Current, task: &Task) -> Result<()> {
    let (own, other) = (caller.credentials(), task.credentials());
    let same = own.euid == other.uid || own.euid == other.euid;
    if same || own.has(Capabilities::SYS_NICE) {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

/// Masks longer than the kernel's are cut; more bytes than that are never useful.
const MASK_LIMIT: usize = 8192;

fn sched_setaffinity(registers: &mut TrapFrame) -> Result<usize> {
    let task = named(registers.argument(0))?;
    check_owner(&current(), &task)?;
    let mut bytes = alloc::vec![0; registers.argument(1).min(MASK_LIMIT)];
    copy_in(registers.argument(2), &mut bytes)?;
    task.thread()
        .set_affinity(&set_from_bytes(&bytes))
        .map_err(|_| Errno::EINVAL)?;
    Ok(0)
}

fn set_from_bytes(bytes: &[u8]) -> CpuSet {
    let set_bits = (0..bytes.len() * 8).filter(|index| bytes[index / 8] >> (index % 8) & 1 != 0);
    set_bits
        .filter(|index| *index < percpu::MAX_CPUS)
        .map(percpu::CpuId::new)
        .collect()
}

fn sched_getaffinity(registers: &mut TrapFrame) -> Result<usize> {
    let length = registers.argument(1);
    // Enough bytes for every CPU the machine has, in whole words, as Linux returns them.
    let size = cpu_count().div_ceil(64) * 8;
    if length < size || !length.is_multiple_of(8) {
        return Err(Errno::EINVAL);
    }
    let allowed = named(registers.argument(0))?.thread().affinity();
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
    let cpu = percpu::cpu_id().index() as u32;
    for (address, value) in [(registers.argument(0), cpu), (registers.argument(1), 0)] {
        if let Some(pointer) = UserPtr::<u32>::new(address).optional() {
            pointer.write(value)?;
        }
    }
    Ok(0)
}

/// The threads that setpriority(2) and getpriority(2) speak of.
fn selected(which: u32, who: u32) -> Result<Vec<Arc<Task>>> {
    let caller = current();
    let threads = |processes: Vec<Arc<Process>>| {
        processes
            .iter()
            .flat_map(|process| process.threads())
            .collect()
    };
    let tasks: Vec<Arc<Task>> = match (which, who) {
        (PRIO_PROCESS, 0) => alloc::vec![caller.task().clone()],
        (PRIO_PROCESS, tid) => alloc::vec![task_by_tid(tid)?],
        (PRIO_PGRP, 0) => threads(table::group(caller.process().group_id())),
        (PRIO_PGRP, group) => threads(table::group(group)),
        (PRIO_USER, uid) => {
            let uid = if uid == 0 {
                caller.credentials().uid
            } else {
                uid
            };
            let mut all: Vec<Arc<Task>> = threads(processes());
            all.retain(|task| task.credentials().uid == uid);
            all
        }
        _ => return Err(Errno::EINVAL),
    };
    if tasks.is_empty() {
        Err(Errno::ESRCH)
    } else {
        Ok(tasks)
    }
}

fn setpriority(registers: &mut TrapFrame) -> Result<usize> {
    let nice = (registers.argument(2) as i32).clamp(-20, 19) as i8;
    let caller = current();
    let limit = caller.process().rlimit(Resource::Nice);
    for task in selected(registers.argument(0) as u32, registers.argument(1) as u32)? {
        check_owner(&caller, &task)?;
        let allowed = (20 - i64::from(nice)) <= limit.min(40) as i64
            || caller.credentials().has(Capabilities::SYS_NICE);
        if nice < task.thread().nice() && !allowed {
            return Err(Errno::EACCES);
        }
        task.thread().set_nice(nice);
    }
    Ok(0)
}

/// Returns `20 - nice`, so that no value looks like an error.
fn getpriority(registers: &mut TrapFrame) -> Result<usize> {
    let tasks = selected(registers.argument(0) as u32, registers.argument(1) as u32)?;
    let best = tasks
        .iter()
        .map(|task| task.thread().nice())
        .min()
        .unwrap_or(0);
    Ok((20 - i32::from(best)) as usize)
}

/// A policy as user space names it, and its priority.
fn encode(policy: Policy) -> (u32, u32) {
    match policy {
        Policy::Normal => (SCHED_NORMAL, 0),
        Policy::Batch => (SCHED_BATCH, 0),
        Policy::Idle => (SCHED_IDLE, 0),
        Policy::Fifo(priority) => (SCHED_FIFO, priority.into()),
        Policy::RoundRobin(priority) => (SCHED_RR, priority.into()),
    }
}

fn decode(policy: u32, priority: u32) -> Result<Policy> {
    match (policy, priority) {
        (SCHED_NORMAL, 0) => Ok(Policy::Normal),
        (SCHED_BATCH, 0) => Ok(Policy::Batch),
        (SCHED_IDLE, 0) => Ok(Policy::Idle),
        (SCHED_FIFO, 1..=99) => Ok(Policy::Fifo(priority as u8)),
        (SCHED_RR, 1..=99) => Ok(Policy::RoundRobin(priority as u8)),
        _ => Err(Errno::EINVAL),
    }
}

fn set_policy(task: &Task, policy: Policy) -> Result<usize> {
    let caller = current();
    check_owner(&caller, task)?;
    let realtime = matches!(policy, Policy::Fifo(_) | Policy::RoundRobin(_));
    if realtime && !caller.credentials().has(Capabilities::SYS_NICE) {
        let (_, priority) = encode(policy);
        if u64::from(priority) > caller.process().rlimit(Resource::RealtimePriority) {
            return Err(Errno::EPERM);
        }
    }
    task.thread().set_policy(policy);
    Ok(0)
}

fn sched_setscheduler(registers: &mut TrapFrame) -> Result<usize> {
    let priority = UserPtr::<u32>::new(registers.argument(2)).read()?;
    let policy = decode(registers.argument(1) as u32, priority)?;
    set_policy(&*named(registers.argument(0))?, policy)
}

fn sched_getscheduler(registers: &mut TrapFrame) -> Result<usize> {
    Ok(encode(named(registers.argument(0))?.thread().policy()).0 as usize)
}

fn sched_setparam(registers: &mut TrapFrame) -> Result<usize> {
    let priority = UserPtr::<u32>::new(registers.argument(1)).read()?;
    let task = named(registers.argument(0))?;
    let (policy, _) = encode(task.thread().policy());
    set_policy(&task, decode(policy, priority)?)
}

fn sched_getparam(registers: &mut TrapFrame) -> Result<usize> {
    let (_, priority) = encode(named(registers.argument(0))?.thread().policy());
    UserPtr::<u32>::new(registers.argument(1)).write(priority)?;
    Ok(0)
}

fn priority_range(registers: &TrapFrame) -> Result<(usize, usize)> {
    match registers.argument(0) as u32 {
        SCHED_FIFO | SCHED_RR => Ok((1, 99)),
        SCHED_NORMAL | SCHED_BATCH | SCHED_IDLE => Ok((0, 0)),
        _ => Err(Errno::EINVAL),
    }
}

/// How long a thread may run before an equal takes its turn, at most.
fn sched_rr_get_interval(registers: &mut TrapFrame) -> Result<usize> {
    const QUANTUM_NS: u64 = 6_000_000;
    let task = named(registers.argument(0))?;
    let fifo = matches!(task.thread().policy(), Policy::Fifo(_));
    UserPtr::new(registers.argument(1)).write(TimeSpec::from_ns(if fifo {
        0
    } else {
        QUANTUM_NS
    }))?;
    Ok(0)
}
