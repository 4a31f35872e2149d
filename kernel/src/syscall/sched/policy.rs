//! Policies and real-time priorities: sched_setscheduler(2) and its kin, over one [`Request`].

use super::{limit_allows, may_do_anything, named, owns};
use crate::arch::TrapFrame;
use crate::error::{Errno, Result};
use crate::process::{Current, Resource, Task, current};
use crate::syscall::time::TimeSpec;
use crate::user_memory::UserPtr;
use linux_raw_sys::general::*;
use smp::{Params, Policy};

/// What a caller wants of a thread. Both forms of the call and `sched_setparam` come to this.
pub(super) struct Request {
    /// One of `SCHED_*`; `None` keeps policy and reset-on-fork.
    pub policy: Option<u32>,
    pub reset_on_fork: bool,
    pub priority: u32,
    /// `None` keeps the nice value. Only the fair policies take a new one.
    pub nice: Option<i8>,
    /// Changes reset-on-fork at most; the rest is only checked.
    pub keep: bool,
}

/// A policy as user space names it, and its priority.
pub(super) fn encode(policy: Policy) -> (u32, u32) {
    let (number, priority) = policy.linux_numbers();
    (number.into(), priority.into())
}

/// `SCHED_DEADLINE` and `SCHED_EXT` are unknown, as to a kernel built without them.
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

impl Request {
    /// Changes the thread at once, even if it is running.
    pub fn apply(self, task: &Task) -> Result<usize> {
        let before = task.thread().params();
        let (number, reset) = match self.policy {
            Some(number) => (number, self.reset_on_fork),
            None => (encode(before.policy).0, task.resets_on_fork()),
        };
        let policy = decode(number, self.priority)?;
        let fair = Params { policy, nice: 0 }.priority() == 0;
        let nice = self.nice.filter(|_| fair).unwrap_or(before.nice);
        let after = Params { policy, nice };
        let caller = current();
        if !allowed(&caller, task, after, reset) && !may_do_anything(&caller) {
            return Err(Errno::EPERM);
        }
        task.set_resets_on_fork(reset);
        if !self.keep {
            task.thread().change_params(|_| after);
        }
        Ok(0)
    }
}

/// Whether a caller without `CAP_SYS_NICE` may make this change (sched(7), setrlimit(2)).
fn allowed(caller: &Current, task: &Task, after: Params, reset: bool) -> bool {
    let before = task.thread().params();
    let nice = after.nice >= before.nice || limit_allows(task, after.nice);
    let other_policy = encode(before.policy).0 != encode(after.policy).0;
    let limit = task.process().rlimit(Resource::RealtimePriority);
    let realtime = after.priority() == 0
        || (!other_policy || limit > 0)
            && (after.priority() <= before.priority() || u64::from(after.priority()) <= limit);
    let leaves_idle = before.policy == Policy::Idle && other_policy;
    let idle = !leaves_idle || limit_allows(task, before.nice);
    nice && realtime && idle && owns(caller, task) && (reset || !task.resets_on_fork())
}

pub fn sched_setscheduler(registers: &mut TrapFrame) -> Result<usize> {
    let number = registers.argument(1) as i32;
    if number < 0 || registers.argument(2) == 0 || (registers.argument(0) as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    let priority = UserPtr::<u32>::new(registers.argument(2)).read()?;
    let request = Request {
        policy: Some(number as u32 & !SCHED_RESET_ON_FORK),
        reset_on_fork: number as u32 & SCHED_RESET_ON_FORK != 0,
        priority,
        nice: None,
        keep: false,
    };
    request.apply(&*named(registers.argument(0))?)
}

pub fn sched_setparam(registers: &mut TrapFrame) -> Result<usize> {
    if registers.argument(1) == 0 || (registers.argument(0) as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    let priority = UserPtr::<u32>::new(registers.argument(1)).read()?;
    let request = Request {
        policy: None,
        reset_on_fork: false,
        priority,
        nice: None,
        keep: false,
    };
    request.apply(&*named(registers.argument(0))?)
}

pub fn sched_getscheduler(registers: &mut TrapFrame) -> Result<usize> {
    let task = named(registers.argument(0))?;
    let (policy, _) = encode(task.thread().policy());
    let flag = if task.resets_on_fork() {
        SCHED_RESET_ON_FORK
    } else {
        0
    };
    Ok((policy | flag) as usize)
}

pub fn sched_getparam(registers: &mut TrapFrame) -> Result<usize> {
    if registers.argument(1) == 0 {
        return Err(Errno::EINVAL);
    }
    let (_, priority) = encode(named(registers.argument(0))?.thread().policy());
    UserPtr::<u32>::new(registers.argument(1)).write(priority)?;
    Ok(0)
}

pub fn sched_get_priority_max(registers: &mut TrapFrame) -> Result<usize> {
    priority_range(registers).map(|(_, max)| max)
}

pub fn sched_get_priority_min(registers: &mut TrapFrame) -> Result<usize> {
    priority_range(registers).map(|(min, _)| min)
}

fn priority_range(registers: &TrapFrame) -> Result<(usize, usize)> {
    match registers.argument(0) as u32 {
        SCHED_FIFO | SCHED_RR => Ok((1, 99)),
        SCHED_NORMAL | SCHED_BATCH | SCHED_IDLE | SCHED_DEADLINE => Ok((0, 0)),
        _ => Err(Errno::EINVAL),
    }
}

/// The turn of a `SCHED_RR` thread; 0 for `SCHED_FIFO`; else its present slice.
pub fn sched_rr_get_interval(registers: &mut TrapFrame) -> Result<usize> {
    let turn_ns = named(registers.argument(0))?.thread().turn_ns();
    UserPtr::new(registers.argument(1)).write(TimeSpec::from_ns(turn_ns))?;
    Ok(0)
}
