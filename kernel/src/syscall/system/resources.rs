//! What a process uses and may use (getrusage(2), getrlimit(2)).

use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::rlimits::Limit;
use crate::process::{
    Capabilities, CpuTimes, Process, Resource, Task, cpu_time, current, process_by_pid,
};
use crate::syscall::time::TimeVal;
use crate::user_memory::{UserPtr, plain};
use alloc::sync::Arc;

/// `struct rusage`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ResourceUsage {
    user: TimeVal,
    system: TimeVal,
    peak_resident_kib: i64,
    shared: [i64; 3],
    minor_faults: i64,
    major_faults: i64,
    swaps: i64,
    blocks: [i64; 2],
    messages: [i64; 2],
    signals: i64,
    voluntary: i64,
    involuntary: i64,
}
plain!(ResourceUsage);

impl ResourceUsage {
    /// Only times: what is known of a process that has ended.
    pub fn of_times(times: CpuTimes) -> Self {
        Self {
            user: TimeVal::from_ns(times.user_ns),
            system: TimeVal::from_ns(times.system_ns),
            peak_resident_kib: 0,
            shared: [0; 3],
            minor_faults: 0,
            major_faults: 0,
            swaps: 0,
            blocks: [0; 2],
            messages: [0; 2],
            signals: 0,
            voluntary: 0,
            involuntary: 0,
        }
    }
}

pub fn getrusage(registers: &mut TrapFrame) -> Result<usize> {
    let current = current();
    let process = current.process();
    let peak_pages = current.memory().usage().peak_resident_pages;
    let mut switches = (0, 0);
    let mut count = |task: &Arc<Task>| {
        let stats = task.thread().stats();
        switches.0 += stats.voluntary;
        switches.1 += stats.involuntary;
    };
    let times = match registers.argument(0) as i32 {
        RUSAGE_SELF => {
            process.each_thread(count);
            process.cpu_times()
        }
        RUSAGE_CHILDREN => process.children_times(),
        RUSAGE_THREAD => {
            count(current.task());
            let stats = current.thread().stats();
            CpuTimes {
                user_ns: stats.user_ns,
                system_ns: stats.system_ns(),
            }
        }
        _ => return Err(Errno::EINVAL),
    };
    let usage = ResourceUsage {
        peak_resident_kib: (peak_pages * mm::PAGE_SIZE / 1024) as i64,
        voluntary: switches.0 as i64,
        involuntary: switches.1 as i64,
        ..ResourceUsage::of_times(times)
    };
    UserPtr::new(registers.argument(1)).write(usage)?;
    Ok(0)
}

const RUSAGE_SELF: i32 = 0;

const RUSAGE_CHILDREN: i32 = -1;

const RUSAGE_THREAD: i32 = 1;

pub fn prlimit64(registers: &mut TrapFrame) -> Result<usize> {
    let (pid, resource) = (registers.argument(0) as u32, registers.argument(1));
    let current = current();
    let process = if pid == 0 {
        current.process().clone()
    } else {
        process_by_pid(pid)?
    };
    let foreign = process.pid() != current.pid();
    let target = process.first_thread().ok_or(Errno::ESRCH)?.credentials();
    if foreign && !current.credentials().may_signal(&target) {
        return Err(Errno::EPERM);
    }
    let new = UserPtr::<Limit>::new(registers.argument(2))
        .optional()
        .map(UserPtr::read)
        .transpose()?;
    let old = exchange_limit(&process, resource, new)?;
    if let Some(pointer) = UserPtr::new(registers.argument(3)).optional() {
        pointer.write(old)?;
    }
    Ok(0)
}

/// Reads a limit, and sets it where the subsystem that obeys it can see it.
fn exchange_limit(process: &Arc<Process>, resource: usize, new: Option<Limit>) -> Result<Limit> {
    let privileged = current().credentials().has(Capabilities::SYS_RESOURCE);
    let old = {
        let mut limits = process.limits().lock();
        let old = limits.get(resource)?;
        if let Some(new) = new {
            limits.set(resource, new, privileged)?;
        }
        old
    };
    let Some(new) = new else { return Ok(old) };
    if resource == Resource::OpenFiles as usize
        && let Some(files) = process.first_thread().and_then(|task| task.files_of())
    {
        files.set_limit(usize::try_from(new.soft).unwrap_or(usize::MAX));
    }
    if resource == Resource::Cpu as usize {
        cpu_time::limit::watch(process);
    }
    if let Some(memory) = process.memory() {
        memory.set_limits(crate::process::exec::memory_limits(process));
    }
    Ok(old)
}

pub fn getrlimit(registers: &mut TrapFrame) -> Result<usize> {
    let limit = current()
        .process()
        .limits()
        .lock()
        .get(registers.argument(0))?;
    UserPtr::new(registers.argument(1)).write(limit)?;
    Ok(0)
}

pub fn setrlimit(registers: &mut TrapFrame) -> Result<usize> {
    let new = UserPtr::<Limit>::new(registers.argument(1)).read()?;
    exchange_limit(current().process(), registers.argument(0), Some(new))?;
    Ok(0)
}
